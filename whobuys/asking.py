"""What was asked on the command line -> product sets of the shop's catalogue."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_
from pathlib import Path

from features.errors import DataError, UsageError
from features.products import Catalogue, ProductSet, read_sets

_ATTRIBUTE = re.compile(r"\s*(?P<column>[^<>=]+?)\s*(?P<sign>>=|<=|=)\s*(?P<value>.+?)\s*")


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

    def sets(self, catalogue: Catalogue) -> list[ProductSet]:
        """One set, or those of the sets file. Raises UsageError when nothing or too much is asked, DataError when no product fits."""
        found = self._found(catalogue)
        if self.sets_file is not None:
            if found:
                raise UsageError("--sets-file names whole sets; leave out the keyword and the other options that name products")
            return read_sets(self.sets_file)
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


def read_ids(path: Path) -> list[str]:
    """The product ids of a file, one a line, or of the column product_id of a CSV file."""
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    if lines and "product_id" in lines[0].split(","):
        lines = [row["product_id"].strip() for row in csv.DictReader(lines) if row["product_id"]]
    if not lines:
        raise DataError(f"{path}: names no product; write a product id on each line")
    return lines
