"""The audience language as its classes have it becomes a page: python -m serving.audiences.page > docs/language.md"""

import inspect
import sys
from collections.abc import Iterator, Mapping

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from features.conditions import CONDITIONS, OfProducts
from serving.audiences.definitions import Audience, Choose, Offer

HEAD = """# The audience language

Every key of an audience and every condition, as `whobuys audience build` reads them; `whobuys audience schema` prints the same as a JSON Schema, for
editors. How it is used: [audiences](audiences.md).

One condition is one key. A list means that all must be true. What is unknown of a customer is neither true nor false: such a customer meets neither a
condition nor its opposite, is no member, and is counted.
"""
PRODUCTS = """Conditions about products take these keys; together they mean products that fit all of them, and a list fits any of its words. Any
other key is a column of the products: a word (`tags: eco`), a number, `true` or `false` (`in_stock: true`), or limits, both inclusive
(`price: {at_least: 100}`)."""


def page() -> str:
    """The page as Markdown."""
    parts = [HEAD, "## Keys of an audience\n", _table(Audience.model_fields), "`choose` has:\n", _table(Choose.model_fields)]
    parts += ["`offer` has either `cost` or `discount`:\n", _table(Offer.model_fields)]
    parts += ["## Product sets\n", f"{PRODUCTS}\n", _table(OfProducts.model_fields), "## Conditions\n"]
    return "\n".join([*parts, *_conditions()])


def _conditions() -> Iterator[str]:
    for key, made in CONDITIONS.items():
        yield f"### `{key}`\n\n{_sentences(made)}\n"
        fields: Mapping[str, FieldInfo] = made.model_fields if issubclass(made, BaseModel) else {}
        own = {
            name: field for name, field in fields.items() if name != "root" and not (issubclass(made, OfProducts) and name in OfProducts.model_fields)
        }
        if own:
            yield _table(own)


def _sentences(made: type) -> str:
    return " ".join(inspect.cleandoc(made.__doc__ or "").replace("``", "`").split())


def _table(fields: Mapping[str, FieldInfo]) -> str:
    rows = "".join(f"| `{field.alias or name}` | {field.description} |\n" for name, field in fields.items())
    return f"| key | means |\n|---|---|\n{rows}"


if __name__ == "__main__":
    sys.stdout.write(page())
