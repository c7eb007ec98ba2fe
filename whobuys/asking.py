"""What was asked on the command line -> the shop as of a date with its bundle, and product sets of its catalogue."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from operator import and_
from pathlib import Path

from features.errors import DataError, UsageError
from features.products import Catalogue, ProductSet, read_ids, read_named_sets
from features.shop import Shop
from features.snapshot import Snapshot
from models.bundle import Bundle
from serving.published import check_interest, open_as_of
from serving.who import known_sets
from whobuys.terminal import say, tell_rule, warn_if_stale

_ATTRIBUTE = re.compile(r"\s*(?P<column>[^<>=]+?)\s*(?P<sign>>=|<=|=)\s*(?P<value>.+?)\s*")


def opened(
    shop: Path, as_of: date | None, *, bundle: str | None, memory_limit: str | None, threads: int | None, products: bool = True
) -> tuple[Bundle, Snapshot]:
    """What answers are made of. Raises DataError as ``open_as_of`` does, and, for answers about ``products``, when it is not known what was bought.

    Warns when no date was asked for and the orders are old, and says so when a rule answers.
    """
    model, snapshot = open_as_of(shop, as_of, bundle=bundle, memory_limit=memory_limit, threads=threads)
    if products:
        check_interest(snapshot.shop, model)
        tell_rule(model.rule)
    if as_of is None:
        warn_if_stale(shop, snapshot.as_of, horizon=model.horizon)
    return model, snapshot


@dataclass(frozen=True)
class Asked:
    """The options that name products; those given together must all hold, except that ``sets_file`` stands alone."""

    keyword: Sequence[str] = ()
    category: str | None = None
    brand: str | None = None
    product: Sequence[str] = ()
    ids_file: Path | None = None
    attribute: Sequence[str] = ()
    sets_file: Path | None = None

    def sets(self, shop: Shop) -> list[ProductSet]:
        """One set, or those of the sets file, with the products that the shop knows; says what is left out.

        Raises UsageError when nothing or too much is asked, DataError when no product fits.
        """
        sets, notes = known_sets(shop, self._asked(Catalogue.of(shop)))
        for note in notes:
            say(f"note: {note}")
        return sets

    def _asked(self, catalogue: Catalogue) -> list[ProductSet]:
        found = self._found(catalogue)
        if self.sets_file is not None:
            if found:
                raise UsageError("--sets-file names whole sets; leave out the keyword and the other options that name products")
            return read_named_sets(self.sets_file, catalogue)
        if not found:
            raise UsageError("which products? Give a keyword, --category, --brand, --product, --ids-file, --attribute or --sets-file")
        together = reduce(and_, found)
        if not len(together):
            raise DataError(f"no product is in all of: {', '.join(each.label for each in found)}")
        return [together]

    def _found(self, catalogue: Catalogue) -> list[ProductSet]:
        found = [catalogue.keyword(" ".join(self.keyword))] if self.keyword else []
        found += [catalogue.category(self.category)] if self.category else []
        found += [catalogue.brand(self.brand)] if self.brand else []
        found += [_products(catalogue, self.product)] if self.product else []
        found += [ProductSet.of(self.ids_file.name, read_ids(self.ids_file))] if self.ids_file else []
        return found + [attribute_set(catalogue, each) for each in self.attribute]


def _products(catalogue: Catalogue, ids: Sequence[str]) -> ProductSet:
    return catalogue.product(ids[0]) if len(ids) == 1 else catalogue.ids(", ".join(ids), ids)


def attribute_set(catalogue: Catalogue, text: str) -> ProductSet:
    """The products of ``column=value``, ``column>=number`` or ``column<=number``. Raises UsageError for anything else."""
    parts = _ATTRIBUTE.fullmatch(text)
    if parts is None:
        raise UsageError(f"--attribute is written column=value, column>=number or column<=number, got {text!r}")
    column, sign, value = parts["column"], parts["sign"], parts["value"]
    if sign == "=":
        return catalogue.attribute(column, equal=value)
    try:
        number = float(value)
    except ValueError:
        raise UsageError(f"--attribute {text}: after {sign} comes a number, got {value!r}") from None
    return catalogue.attribute(column, at_least=number) if sign == ">=" else catalogue.attribute(column, at_most=number)
