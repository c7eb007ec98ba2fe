"""Product sets: who is in, by which words."""

from pathlib import Path

import pandas as pd
import pytest

from features.errors import DataError, UsageError
from features.products import Catalogue, ProductSet, membership, read_ids, read_named_sets, read_sets
from features.shop import Shop

PRODUCTS = pd.DataFrame(
    [
        ("p1", "Ice Axe Pro", "Nordvind", "Outdoor > Climbing > Ice axes", 120.0, "steel"),
        ("p2", "Ice screw", "Nordvind", "Outdoor > Climbing > Ice screws", 40.0, None),
        ("p3", "Tent for two", "Fjällheim", "Outdoor > Camping > Tents", 300.0, "eco, summer"),
        ("p4", "TENTS pole", None, "Outdoor > Camping", None, None),
        ("p5", "Løbesko", "nordvind", "Sport > Running shoes", 90.0, "eco"),
        ("p6", None, None, None, None, None),
    ],
    columns=["product_id", "title", "brand", "category", "price", "tags"],
)


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop.of({"products": PRODUCTS})


@pytest.fixture(scope="module")
def catalogue(shop: Shop) -> Catalogue:
    return Catalogue.of(shop)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Outdoor", ["p1", "p2", "p3", "p4"]),
        ("outdoor > camping", ["p3", "p4"]),
        ("Camping", ["p3", "p4"]),
        ("TENTS", ["p3"]),
        ("Sport > Running shoes", ["p5"]),
    ],
)
def test_categories_at_any_level(catalogue: Catalogue, name: str, expected: list[str]) -> None:
    assert list(catalogue.category(name).product_ids) == expected


@pytest.mark.parametrize(
    ("phrases", "expected"),
    [
        (("ice axe",), ["p1"]),
        (("axes, ICE",), ["p1"]),
        (("ice axe", "ice screws"), ["p1", "p2"]),
        (("tent",), ["p3", "p4"]),
        (("lobesko",), ["p5"]),
        (("fjallheim",), ["p3"]),
        (("eco",), ["p3", "p5"]),
    ],
)
def test_keywords(catalogue: Catalogue, phrases: tuple[str, ...], expected: list[str]) -> None:
    assert list(catalogue.keyword(*phrases).product_ids) == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"column": "price", "at_least": 100}, ["p1", "p3"]),
        ({"column": "price", "at_least": 40, "at_most": 90}, ["p2", "p5"]),
        ({"column": "tags", "equal": "Eco"}, ["p3", "p5"]),
    ],
)
def test_attributes(catalogue: Catalogue, asked: dict[str, object], expected: list[str]) -> None:
    assert list(catalogue.attribute(**asked).product_ids) == expected  # type: ignore[arg-type]  # the cases are keyword arguments


@pytest.mark.parametrize(("name", "kind"), [("Tents", "category"), ("NORDVIND", "brand"), ("p6", "product"), ("pole", "keyword")])
def test_a_name_is_a_category_then_a_brand_then_a_product_then_a_keyword(catalogue: Catalogue, name: str, kind: str) -> None:
    assert catalogue.named(name).kind == kind


def test_brands_ignore_case(catalogue: Catalogue) -> None:
    assert list(catalogue.brand("nordvind").product_ids) == ["p1", "p2", "p5"]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda c: c.category("Tens"), "there is no category 'Tens', did you mean 'Tents'?"),
        (lambda c: c.brand("Nordwind"), "there is no brand 'Nordwind', did you mean "),
        (lambda c: c.ids("list", ["p1", "p77"]), "there is no product 'p77'"),
        (lambda c: c.keyword("tnet"), "no product has the keyword 'tnet' in its title, brand, category or tags, did you mean 'tent'?"),
        (lambda c: c.attribute("colour", equal="red"), "products have no column 'colour'"),
        (lambda c: Catalogue(c.products.assign(brand=None)).brand("Nordvind"), "there is no brand 'Nordvind': no product has one"),
        (lambda c: Catalogue(c.products.assign(category=None)).category("Tents"), "there is no category 'Tents': no product has one"),
    ],
)
def test_names_nobody_knows(catalogue: Catalogue, ask: object, message: str) -> None:
    assert callable(ask)
    with pytest.raises(DataError) as caught:
        ask(catalogue)
    assert str(caught.value).startswith(message)


def test_a_keyword_needs_a_letter(catalogue: Catalogue) -> None:
    with pytest.raises(UsageError, match="at least one letter"):
        catalogue.keyword("?!")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no CSV file"),
        ("product_set,product_id\n", "has no rows"),
        ("set,product_id\na,b\n", "the column 'product_set' is missing; it has: set, product_id"),
        ("product_set,product_id\na,1\n\n ,2\n", "sets.csv, line 4: 'product_set' is empty; every line needs product_set and product_id"),
        ("\nproduct_set,product_id\na,\n", "sets.csv, line 3: 'product_id' is empty"),
    ],
)
def test_files_that_hold_no_sets(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "sets.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_sets(path)


def test_sets_of_a_file_keep_leading_zeros_and_their_order(tmp_path: Path) -> None:
    path = tmp_path / "sets.csv"
    path.write_text("product_set,product_id\nB,007\nA,1\nB,NA\n")
    assert read_sets(path) == [ProductSet.of("B", ["007", "NA"]), ProductSet.of("A", ["1"])]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("p1\n\n p2 \n", ["p1", "p2"]),
        ("\ufeffp1\r\n007\r\n", ["p1", "007"]),
        ("product_set,product_id\na,p1\na,007\n", ["p1", "007"]),
        ('"product_id"\n"p1"\n', ["p1"]),
    ],
)
def test_ids_of_a_file(tmp_path: Path, text: str, ids: list[str]) -> None:
    (tmp_path / "ids").write_text(text, encoding="utf-8")
    assert read_ids(tmp_path / "ids") == ids


def test_sets_by_their_names_or_ids_from_one_kind_of_file(catalogue: Catalogue, tmp_path: Path) -> None:
    path = tmp_path / "sets"
    path.write_text("# ours\ncategory: Tents\n\nNordvind\nbrand: nordvind\n", encoding="utf-8")
    assert [(each.kind, each.label) for each in read_named_sets(path, catalogue)] == [
        ("category", "Outdoor > Camping > Tents"),
        ("brand", "Nordvind"),
    ]
    path.write_text("product_set,product_id\nB,p1\nA,p2\n", encoding="utf-8")
    assert read_named_sets(path, catalogue) == [ProductSet.of("B", ["p1"]), ProductSet.of("A", ["p2"])]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"# nothing\n", "sets: names no product set; write lines such as category: Tents, or a CSV file"),
        (b"Tents\ncategory: Tnts\n", "sets, line 2: there is no category 'Tnts', did you mean 'Tents'?"),
        (b"categry: Tents\n", "sets, line 1: 'categry: Tents': 'categry' is no kind of product set, did you mean 'category'"),
        (b"product_set,sku\na,1\n", "sets: the column 'product_id' is missing"),
        (b"L\xf8besko\n", "sets: this is not UTF-8 text"),
        (None, "sets: there is no such file"),
    ],
)
def test_a_file_that_names_no_sets(catalogue: Catalogue, content: bytes | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "sets").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_named_sets(tmp_path / "sets", catalogue)
    assert message in str(caught.value)


def test_membership_leaves_out_unknown_products(shop: Shop) -> None:
    matrix = membership(shop, [ProductSet.of("a", ["p2", "gone"]), ProductSet.of("b", ["p1", "p2"])])
    assert matrix.toarray().tolist() == [[0, 1], [1, 1], [0, 0], [0, 0], [0, 0], [0, 0]]


def test_a_table_of_sets_with_other_columns_is_not_taken_for_names(catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "sets.csv").write_text("set,prod\na,p1\n", encoding="utf-8")
    with pytest.raises(DataError, match="the column 'product_set' is missing; it has: set, prod"):
        read_named_sets(tmp_path / "sets.csv", catalogue)
