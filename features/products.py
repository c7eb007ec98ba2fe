"""A shop's catalogue becomes product sets: "these products", by category, brand, product, keyword, attribute or list of ids."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from io import StringIO
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack

from features.errors import DataError, UsageError, did_you_mean, no_file
from features.shop import Shop
from features.tables import PATH_SEPARATOR
from features.words import BETWEEN, plain, same_word, spaced, words

SetKind = Literal["category", "brand", "product", "keyword", "attribute", "ids"]
SET_COLUMNS = ("product_set", "product_id")
TEXT_COLUMNS = ("title", "brand", "category", "tags")


@dataclass(frozen=True)
class ProductSet:
    """These products: ``product_ids`` (sorted, without repeats) and the name people know them by."""

    label: str
    product_ids: tuple[str, ...]
    kind: SetKind = "ids"

    @classmethod
    def of(cls, label: str, product_ids: Iterable[str], *, kind: SetKind = "ids") -> "ProductSet":
        """A set of the given ids; order and repeats do not matter.

        >>> ProductSet.of("two", ["b", "a", "b"]).product_ids
        ('a', 'b')
        """
        return cls(label, tuple(sorted(set(product_ids))), kind)

    def __len__(self) -> int:
        return len(self.product_ids)

    def __and__(self, other: "ProductSet") -> "ProductSet":
        return ProductSet.of(f"{self.label} + {other.label}", set(self.product_ids) & set(other.product_ids), kind="attribute")


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The products of a shop, looked up by their words and columns. A name nobody knows is a DataError with the nearest known one."""

    products: pd.DataFrame
    language: str = "english"

    @staticmethod
    def of(shop: Shop, *, language: str = "english") -> "Catalogue":
        """The catalogue of a shop, made once a shop."""
        return _catalogue(shop, language)

    @cached_property
    def categories(self) -> dict[str, list[int]]:
        """Every category at every level, as its full path, with the positions of its products."""
        paths = self.products["category"].dropna()
        found: dict[str, list[int]] = {}
        for path, positions in _positions(self.products, paths).items():
            parts = [part.strip() for part in path.split(PATH_SEPARATOR.strip()) if part.strip()]
            for depth in range(1, len(parts) + 1):
                found.setdefault(PATH_SEPARATOR.join(parts[:depth]), []).extend(positions)
        return dict(sorted(found.items()))

    @cached_property
    def brands(self) -> dict[str, list[int]]:
        """Every brand with the positions of its products."""
        return dict(sorted(_positions(self.products, self.products["brand"].dropna()).items()))

    @cached_property
    def words(self) -> tuple[list[str], csr_matrix]:
        """All words of the products' texts, sorted, and the 0/1 matrix products x words."""
        texts = [pa.array(self.products[column].fillna("").astype(str), pa.string()) for column in TEXT_COLUMNS if column in self.products]
        joined = pc.binary_join_element_wise(*texts, " ")
        is_plain = pc.string_is_ascii(joined)
        others = pa.array([spaced(text) for text in joined.filter(pc.invert(is_plain)).to_pylist()], pa.string())
        lists = pc.split_pattern_regex(pc.replace_with_mask(pc.ascii_lower(joined), pc.invert(is_plain), others), pattern=BETWEEN)
        found = lists.flatten().dictionary_encode()
        vocabulary, place = np.unique(found.dictionary.to_numpy(zero_copy_only=False), return_inverse=True)
        rows = np.repeat(np.arange(len(lists)), pc.list_value_length(lists).to_numpy())
        counts = csr_matrix((np.ones(len(rows), np.float32), (rows, place[found.indices.to_numpy()])), shape=(len(lists), len(vocabulary)))
        counts.data[:] = 1
        ends = int(len(vocabulary) > 0 and vocabulary[0] == "")  # what lies before the first word of a text and after its last
        return list(vocabulary[ends:]), counts[:, ends:]

    @cached_property
    def attributes(self) -> tuple[list[str], csr_matrix]:
        """Words, category levels and brands as one 0/1 matrix products x attributes, and the attributes' names ("word: tent", "brand: Nordvind")."""
        vocabulary, words_of = self.words
        names = [f"word: {word}" for word in vocabulary]
        blocks = [words_of]
        for kind, groups in (("category", self.categories), ("brand", self.brands)):
            names += [f"{kind}: {name}" for name in groups]
            rows = np.concatenate([np.empty(0, np.int64), *(np.asarray(positions) for positions in groups.values())])
            columns = np.repeat(np.arange(len(groups)), [len(positions) for positions in groups.values()])
            blocks.append(csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=(len(self.products), len(groups))))
        return names, hstack(blocks, format="csr")

    def category(self, name: str) -> ProductSet:
        """The products at or below a category, named by its full path or by any one level of it, in any case."""
        found = _find(name, self.categories)
        if not found:
            leaf = {path.rsplit(PATH_SEPARATOR, 1)[-1] for path in self.categories}
            raise DataError(f"there is no category {name!r}{did_you_mean(name, leaf | set(self.categories)) or ': no product has one'}")
        positions = {position for path in found for position in self.categories[path]}
        return self._set(found[0] if len(found) == 1 else name, positions, "category")

    def brand(self, name: str) -> ProductSet:
        """The products of a brand, in any case."""
        found = [brand for brand in self.brands if plain(brand) == plain(name)]
        if not found:
            raise DataError(f"there is no brand {name!r}{did_you_mean(name, self.brands) or ': no product has one'}")
        return self._set(found[0], {position for brand in found for position in self.brands[brand]}, "brand")

    def product(self, product_id: str) -> ProductSet:
        """One product."""
        return ProductSet(product_id, self.ids(product_id, [product_id]).product_ids, "product")

    def ids(self, label: str, product_ids: Sequence[str]) -> ProductSet:
        """A list of products."""
        unknown = sorted(each for each in set(product_ids) if each not in self.products.index)
        if unknown:
            raise DataError(f"there is no product {unknown[0]!r}{did_you_mean(unknown[0], self.products.index)}")
        return ProductSet.of(label, product_ids)

    def keyword(self, *phrases: str) -> ProductSet:
        """Products whose title, brand, category or tags have all words of any one phrase; case, accents and plurals do not matter."""
        return _keyword(self, phrases)

    def attribute(self, column: str, *, equal: str | None = None, at_least: float | None = None, at_most: float | None = None) -> ProductSet:
        """Products by any column: a word it must be (or, for tags, contain), or limits, both inclusive; unknown values are not in."""
        if column not in self.products:
            raise DataError(f"products have no column {column!r}{did_you_mean(column, self.products.columns)}")
        values = self.products[column]
        keep = values.notna()
        if equal is not None:
            keep &= values.astype(object).map(lambda value: plain(equal) in [part.strip() for part in plain(str(value)).split(",")])
        if at_least is not None or at_most is not None:
            numbers = pd.to_numeric(values, errors="coerce")
            keep &= numbers.between(-np.inf if at_least is None else at_least, np.inf if at_most is None else at_most)
        limits = [f"{sign} {value:g}" for sign, value in ((">=", at_least), ("<=", at_most)) if value is not None]
        label = f"{column} {' and '.join(([f'= {equal}'] if equal is not None else []) + limits)}"
        return self._set(label, np.flatnonzero(keep.fillna(False)).tolist(), "attribute")

    def named(self, name: str) -> ProductSet:
        """What a person means by a name: a category, else a brand, else a product id, else a keyword."""
        if _find(name, self.categories):
            return self.category(name)
        if any(plain(brand) == plain(name) for brand in self.brands):
            return self.brand(name)
        return self.product(name) if name in self.products.index else self.keyword(name)

    def called(self, words: str) -> ProductSet:
        """The set called ``category: X``, ``brand: X``, ``product: X`` or ``keyword: X``; anything else is taken as by ``named``."""
        kind, colon, name = (part.strip() for part in words.partition(":"))
        look_ups = {"category": self.category, "brand": self.brand, "product": self.product, "keyword": self.keyword}
        if colon and name and kind.lower() in look_ups:
            return look_ups[kind.lower()](name)
        try:
            return self.named(words.strip())
        except (DataError, UsageError):
            if not colon:
                raise
        raise UsageError(f"{words!r}: {kind!r} is no kind of product set{did_you_mean(kind, look_ups)}")

    def _set(self, label: str, positions: Iterable[int], kind: SetKind) -> ProductSet:
        return ProductSet.of(label, self.products.index[sorted(positions)], kind=kind)


@lru_cache(maxsize=4)
def _catalogue(shop: Shop, language: str) -> Catalogue:
    return Catalogue(shop.products, language)


@lru_cache(maxsize=1000)
def _keyword(catalogue: Catalogue, phrases: tuple[str, ...]) -> ProductSet:
    """See ``Catalogue.keyword``; an audience asks for the same words several times, and a large shop has many words to look through."""
    vocabulary, matrix = catalogue.words
    found: set[int] = set()
    for phrase in phrases:
        asked = words(phrase)
        if not asked:
            raise UsageError(f"a keyword needs at least one letter or digit, got {phrase!r}")
        has_all = np.ones(len(catalogue.products), dtype=bool)
        for word in asked:
            columns = [i for i, other in enumerate(vocabulary) if same_word(word, other, language=catalogue.language)]
            has_all &= np.asarray(matrix[:, columns].sum(axis=1)).ravel() > 0
        found |= set(np.flatnonzero(has_all).tolist())
    label = " or ".join(phrases)
    if not found:
        raise DataError(f"no product has the keyword {label!r} in its title, brand, category or tags{did_you_mean(words(label)[0], vocabulary)}")
    return catalogue._set(label, found, "keyword")


def read_ids(path: Path) -> list[str]:
    """The product ids of a file, one a line, or of the column product_id of a CSV file. Raises DataError when it names none."""
    text = _text(path)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise DataError(f"{path}: names no product; write a product id on each line")
    return _cells(path, text, "product_id")["product_id"].tolist() if "product_id" in lines[0] else lines


def read_sets(path: Path) -> list[ProductSet]:
    """The product sets of a CSV file with the columns product_set and product_id, in the order of their first line.

    Raises DataError when the file is missing, is no such CSV or has no rows, and with the line of an empty cell.
    """
    rows = _cells(path, _text(path), *SET_COLUMNS)
    return [ProductSet.of(str(label), ids) for label, ids in rows.groupby("product_set", sort=False)["product_id"]]


def read_named_sets(path: Path, catalogue: Catalogue) -> list[ProductSet]:
    """The product sets of a file, in its order: a CSV file for ``read_sets``, or lines such as ``category: Tents``; lines with # are comments.

    Raises DataError as ``read_sets`` does, and with the line of a name that the shop does not know.
    """
    lines = {number: line.strip() for number, line in enumerate(_text(path).splitlines(), start=1)}
    names = {number: line for number, line in lines.items() if line and not line.startswith("#")}
    if not names:
        raise DataError(f"{path}: names no product set; write lines such as category: Tents, or a CSV file with the columns {','.join(SET_COLUMNS)}")
    first = next(iter(names.values()))
    if any(column in first for column in SET_COLUMNS) or (path.suffix.lower() == ".csv" and "," in first):
        return read_sets(path)
    sets = [_called(path, number, name, catalogue) for number, name in names.items()]
    return list({(each.kind, each.label): each for each in sets}.values())


def _called(path: Path, number: int, name: str, catalogue: Catalogue) -> ProductSet:
    try:
        return catalogue.called(name)
    except (DataError, UsageError) as error:
        raise DataError(f"{path}, line {number}: {error}") from None


def _text(path: Path) -> str:
    if not path.is_file():
        raise no_file(path)
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path}: this is not UTF-8 text") from None


def _cells(path: Path, text: str, *columns: str) -> pd.DataFrame:
    """Columns of a CSV text, without empty lines; the index is the line of the file."""
    body = text.lstrip()
    try:
        frame = pd.read_csv(StringIO(body), dtype=str, keep_default_na=False, skip_blank_lines=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(f"{path}: is no CSV file with the columns {','.join(columns)} ({error})") from None
    if not isinstance(frame.index, pd.RangeIndex):  # pandas takes the cells beyond the head for an index
        raise DataError(f"{path}: its lines have more cells than its head; put a cell that holds a comma in quotes")
    missing = next((column for column in columns if column not in frame), None)
    if missing is not None:
        raise DataError(f"{path}: the column {missing!r} is missing; it has: {', '.join(frame.columns)}")
    cells = pd.DataFrame({column: frame[column].fillna("").str.strip() for column in columns})
    cells.index += 2 + text[: len(text) - len(body)].count("\n")
    cells = cells.loc[(cells != "").any(axis=1)]
    if cells.empty:
        raise DataError(f"{path}: has no rows")
    for column in columns:
        if (empty := cells[column] == "").any():
            raise DataError(f"{path}, line {cells.index[empty][0]}: {column!r} is empty; every line needs {' and '.join(columns)}")
    return cells


def membership(shop: Shop, sets: Sequence[ProductSet]) -> csr_matrix:
    """The 0/1 matrix products x sets (float32); ids that the shop does not know are left out."""
    codes = pd.Index(shop.product_ids)
    sizes = [len(one) for one in sets]
    flat = [product_id for one in sets for product_id in one.product_ids]
    rows: NDArray[np.intp] = codes.get_indexer(pd.Index(flat, dtype=object))
    columns = np.repeat(np.arange(len(sets)), sizes)
    known = rows >= 0
    return csr_matrix((np.ones(int(known.sum()), np.float32), (rows[known], columns[known])), shape=(len(codes), len(sets)))


def _positions(products: pd.DataFrame, values: pd.Series) -> Mapping[str, list[int]]:
    positions = pd.Series(products.index.get_indexer(values.index), index=values.to_numpy())
    return {str(name): group.tolist() for name, group in positions.groupby(level=0)}


def _find(name: str, categories: Iterable[str]) -> list[str]:
    asked = PATH_SEPARATOR.join(plain(part).strip() for part in name.split(PATH_SEPARATOR.strip()))
    paths = {path: plain(path) for path in categories}
    exact = [path for path, folded in paths.items() if folded == asked]
    return exact or [path for path, folded in paths.items() if folded.endswith(PATH_SEPARATOR + asked)]
