"""The made-up shop is whole, repeatable, and what is planted in it can be found by counting."""

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from features.made_up import CANARY_EMAIL, END, NEW_PRODUCT_ID, START, MadeUpShop, made_up_shop, write_exports
from features.made_up.assortment import CATEGORIES
from features.tables import TABLES

SCALE = 0.3
ARROW = {
    "text": pa.string(),
    "number": pa.float64(),
    "whole": pa.int32(),
    "flag": pa.bool_(),
    "date": pa.date32(),
    "time": pa.timestamp("us"),
}
PURCHASES = """
    create table purchases as
    select o.customer_id as customer, o.ordered_at::date as day, o.order_id, p.category, p.product_id, l.quantity, p.created_at, p.tags
    from orders o join order_lines l using (order_id) join products p using (product_id)
    where o.status = 'completed' and l.quantity > 0 and o.customer_id is not null
"""
FIRSTS = "create table firsts as select customer, category, min(day) as day from purchases group by all"
TOGETHER = """
    with size as (select category, count(*) as size from firsts group by 1), everybody as (select count(distinct customer) as size from firsts)
    select a.category as one, b.category as other, count(*) as both_bought, any_value(x.size * y.size / everybody.size) as expected,
           count(*) filter (b.day between a.day and a.day + 90) as within, count(*) filter (b.day between a.day - 90 and a.day - 1) as before,
           any_value(x.size) as size
    from firsts a join firsts b on a.customer = b.customer and a.category <> b.category
    join size x on x.category = a.category join size y on y.category = b.category, everybody
    group by 1, 2
"""


@pytest.fixture(scope="module")
def shop() -> MadeUpShop:
    return made_up_shop(scale=SCALE, seed=5)


@pytest.fixture(scope="module")
def sql(shop: MadeUpShop) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"threads": 1})
    for name, table in shop.tables.items():
        connection.register(name, table)
    connection.execute(PURCHASES)
    connection.execute(FIRSTS)
    return connection


@pytest.fixture(scope="module")
def together(sql: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Every ordered pair of categories: lift and z over what popularity alone would bring."""
    pairs = sql.execute(TOGETHER).df().set_index(["one", "other"])
    pairs["lift"] = pairs.both_bought / pairs.expected
    pairs["z"] = (pairs.both_bought - pairs.expected) / np.sqrt(pairs.expected)
    return pairs.sort_values("z", ascending=False)


def value(sql: duckdb.DuckDBPyConnection, query: str) -> float:
    row = sql.execute(query).fetchone()
    assert row is not None
    return float(row[0] or 0)


def number(pairs: pd.DataFrame, pair: tuple[str, str], column: str) -> float:
    """What a column says of a pair; 0 when nobody bought both."""
    position = pairs.index.get_indexer(pd.MultiIndex.from_tuples([pair]))[0]
    return float(pairs[column].to_numpy(float)[position]) if position >= 0 else 0.0


# the tables


@pytest.mark.parametrize("name", TABLES)
def test_tables_have_the_canonical_columns_and_types(shop: MadeUpShop, name: str) -> None:
    table, canonical = shop.tables[name], TABLES[name]
    assert table.column_names[: len(canonical.names)] == canonical.names
    for column in canonical.columns:
        kind = table.schema.field(column.name).type
        assert (kind.value_type if pa.types.is_dictionary(kind) else kind) == ARROW[column.kind], column.name
    if not canonical.open_ended:
        assert table.column_names == canonical.names


@pytest.mark.parametrize("name", [name for name, table in TABLES.items() if table.keys])
def test_keys_are_there_and_unique(sql: duckdb.DuckDBPyConnection, name: str) -> None:
    keys = ", ".join(TABLES[name].keys)
    assert value(sql, f"select count(*) - count(distinct ({keys})) from {name}") == 0
    assert value(sql, f"select count(*) from {name} where {' or '.join(f'{key} is null' for key in TABLES[name].keys)}") == 0


@pytest.mark.parametrize(
    "left, column, right",
    [
        ("orders", "customer_id", "customers"),
        ("order_lines", "order_id", "orders"),
        ("order_lines", "product_id", "products"),
        ("events", "customer_id", "customers"),
        ("events", "product_id", "products"),
    ],
)
def test_what_is_named_exists(sql: duckdb.DuckDBPyConnection, left: str, column: str, right: str) -> None:
    assert value(sql, f"select count(*) from {left} anti join {right} using ({column}) where {left}.{column} is not null") == 0


def test_every_order_has_lines(sql: duckdb.DuckDBPyConnection) -> None:
    assert value(sql, "select count(*) from orders anti join order_lines using (order_id)") == 0


@pytest.mark.parametrize(
    "what, query",
    [
        ("revenue is the sum of the lines, 0 when cancelled",
         "select max(abs(o.revenue - case status when 'cancelled' then 0 else paid end)) > .005 from orders o"
         " join (select order_id, sum(price * quantity) as paid from order_lines group by 1) using (order_id)"),
        ("nobody pays more than the list price", "select count(*) from order_lines where price > list_price or price <= 0"),
        ("negative revenue is a return of its own",
         "select count(*) from orders join order_lines using (order_id) where (revenue < 0) <> (quantity < 0)"),
        ("only what was bought comes back",
         "select count(*) from (select * from orders join order_lines using (order_id) where quantity < 0) r anti join"
         " (select * from orders join order_lines using (order_id) where quantity > 0) b"
         " on r.product_id = b.product_id and r.customer_id is not distinct from b.customer_id and b.ordered_at < r.ordered_at"),
        ("nothing sells before it is offered", "select count(*) from purchases where day < created_at::date"),
        ("nobody orders before signing up", "select count(*) from orders join customers using (customer_id) where ordered_at < created_at"),
        (f"all days lie in the shop's years {START} to {END}",
         f"select count(*) from (select ordered_at as t from orders union all select occurred_at from events) where t < '{START}' or t >= '{END}'"),
        ("no address can reach anybody", "select count(*) from customers where email not like '%@example.com'"),
        ("no telephone can ring", r"select count(*) from customers where not regexp_full_match(phone, '\+\d{2,3} 00\d{6}')"),
    ],
)  # fmt: skip
def test_no_row_breaks_the_rule(sql: duckdb.DuckDBPyConnection, what: str, query: str) -> None:
    assert value(sql, query) == 0, what


def test_the_canary_orders_and_may_be_mailed(sql: duckdb.DuckDBPyConnection) -> None:
    found = f"from customers join orders using (customer_id) where email = '{CANARY_EMAIL}' and consent_email and status = 'completed'"
    assert value(sql, f"select count(*) {found}") > 0
    assert value(sql, f"select count(distinct customer_id) {found}") == 1


# the same and the size


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    written = [write_exports(made_up_shop(scale=0.01, seed=seed), tmp_path / name) for seed, name in ((1, "a"), (1, "b"), (2, "c"))]
    bytes_of = [[path.read_bytes() for path in paths] for paths in written]
    assert bytes_of[0] == bytes_of[1]
    assert all(one != other for one, other in zip(bytes_of[0], bytes_of[2], strict=True))
    assert [path.name for path in written[0]] == [f"{name}.csv" for name in ("customers", "products", "orders", "order_lines", "events")]


def test_size_grows_with_scale(shop: MadeUpShop) -> None:
    small = made_up_shop(scale=SCALE / 3, seed=5)
    for name in ("customers", "orders", "order_lines", "events"):
        assert shop.tables[name].num_rows / small.tables[name].num_rows == pytest.approx(3, rel=0.15), name
    assert shop.tables["customers"].num_rows == 20_000 * SCALE
    assert shop.tables["order_lines"].num_rows == pytest.approx(400_000 * SCALE, rel=0.15)


@pytest.mark.parametrize("scale", [0.0001, 1.5])
def test_very_small_and_split_assortments(scale: float) -> None:
    shop = made_up_shop(scale=scale, seed=0)
    parts = {path.count(" > ") for path in shop.tables["products"]["category"].to_pylist()}
    assert parts == ({2} if scale <= 1 else {3})


@pytest.mark.parametrize("scale", [0, -1, 101, float("nan")])
def test_a_scale_that_makes_no_sense_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="scale must be above 0"):
        made_up_shop(scale=scale, seed=0)


# what the audiences name


@pytest.mark.parametrize(
    "condition",
    [
        *(f"contains(lower(title), '{word}')" for word in ("ice axe", "ice screw", "mosquito repellent", "bike lock")),
        *(f"contains(category, '> {name}')" for name in ("Tents", "Mosquito repellent", "Sportswear", "Running shoes")),
        "brand = 'Nordvind' and contains(category, 'Running shoes')",
        f"product_id = '{NEW_PRODUCT_ID}' and in_stock",
        "contains(tags, 'eco')",
        "price >= 100",
        "price < list_price",
        "not in_stock",
        "product_id not in (select product_id from order_lines)",
    ],
)
def test_products_that_the_audiences_name(sql: duckdb.DuckDBPyConnection, condition: str) -> None:
    assert value(sql, f"select count(*) from products where {condition}") > 0


@pytest.mark.parametrize(
    "what, low, high, query",
    [
        ("share of customers without orders", 0.1, 0.2, "select avg((o.customer_id is null)::int) from customers c"
         " left join (select distinct customer_id from orders) o using (customer_id)"),
        ("share of one-order customers", 0.45, 0.62, "select avg((n = 1)::int)"
         " from (select count(distinct order_id) as n from purchases group by customer)"),
        ("orders for each customer with orders", 3.5, 6, "select count(distinct order_id) / count(distinct customer) from purchases"),
        ("share of orders of unknown customers", 0.02, 0.04, "select avg((customer_id is null)::int) from orders"),
        ("share cancelled", 0.01, 0.02, "select avg((status = 'cancelled')::int) from orders"),
        ("share of returns", 0.02, 0.05, "select avg((revenue < 0)::int) from orders"),
        ("share in stores", 0.15, 0.35, "select avg((channel = 'store')::int) from orders"),
        ("share below list price", 0.15, 0.5, "select avg((price < list_price)::int) from order_lines"),
        ("gifts in the fourth quarter over gifts else", 3, 20, "select avg(is_gift::int) filter (month(ordered_at) in (11, 12))"
         " / avg(is_gift::int) filter (month(ordered_at) < 10) from orders"),
        ("tents in July over tents in January", 2.5, 20, "select count(*) filter (month(day) = 7) / count(*) filter (month(day) = 1) from purchases"
         " where category like '%> Tents'"),
        ("share with consent unknown", 0.05, 0.2, "select avg((consent_email is null)::int) from customers"),
        ("countries", 6, 6, "select count(distinct country) from customers"),
        ("kinds of events", 7, 7, "select count(distinct event) from events"),
        ("women of 28 to 32 with new sportswear", 5, 200, "select count(distinct customer) from purchases join customers on customer = customer_id"
         " where gender = 'f' and birth_date between '1993-07-02' and '1998-07-01' and category like '%> Sportswear >%' and day >= '2026-04-01'"),
    ],
)  # fmt: skip
def test_orders_of_size(sql: duckdb.DuckDBPyConnection, what: str, low: float, high: float, query: str) -> None:
    assert low <= value(sql, query) <= high, what


def test_visits_run_ahead_of_orders(sql: duckdb.DuckDBPyConnection) -> None:
    orders_in_june = """
        select avg((customer_id in (select customer from purchases where day >= '2026-06-01'))::int) from customers
        where customer_id {} (select customer_id from events where event = 'viewed' and occurred_at between '2026-05-25' and '2026-06-01')
    """
    assert 3 * value(sql, orders_in_june.format("not in")) < value(sql, orders_in_june.format("in")) < 0.7


# what is planted


def test_the_planted_pairs_stand_out_of_all_pairs(shop: MadeUpShop, together: pd.DataFrame) -> None:
    planted = {frozenset((pair.first, pair.then)) for pair in shop.truth.cross_sell}
    ranked = list(dict.fromkeys(frozenset(pair) for pair in together.index))
    assert len(planted) == 20
    assert len(planted.intersection(ranked[:20])) >= 18
    assert set(ranked[:10]) <= planted


def test_the_second_of_a_pair_comes_after_the_first(shop: MadeUpShop, together: pd.DataFrame) -> None:
    for pair in shop.truth.cross_sell:
        within, before, both, size = (number(together, (pair.first, pair.then), column) for column in ("within", "before", "both_bought", "size"))
        assert within > 5 * before, pair
        assert 0.2 < both / size < 0.75, pair  # and enough have the first alone


def test_delays_are_those_planted(shop: MadeUpShop, sql: duckdb.DuckDBPyConnection) -> None:
    for pair in shop.truth.cross_sell:
        days = value(sql, f"""select median(b.day - a.day) from firsts a join firsts b using (customer)
                              where a.category = '{pair.first}' and b.category = '{pair.then}' and b.day >= a.day""")  # fmt: skip
        assert pair.days - 7 <= days <= pair.days + 15, pair


def test_decoys_are_popular_and_independent(shop: MadeUpShop, together: pd.DataFrame) -> None:
    popular = together["both_bought"].quantile(0.98)
    for pair in shop.truth.decoys:
        assert number(together, pair, "both_bought") >= popular, pair
        assert number(together, pair, "lift") < 2, pair  # heavy buyers own everything: that alone brings about 1.5


def test_substitutes_are_seldom_owned_together(shop: MadeUpShop, together: pd.DataFrame) -> None:
    for one, other in shop.truth.substitutes:
        siblings = [path for path in (each.path for each in CATEGORIES) if path.startswith(one.rsplit(" > ", 1)[0]) and path not in (one, other)]
        usual = np.median([number(together, (one, path), "lift") for path in siblings])
        assert number(together, (one, other), "lift") < usual / 2, (one, other)


def test_lovers_of_the_long_tail_are_known_by_what_else_they_buy(shop: MadeUpShop, sql: duckdb.DuckDBPyConnection) -> None:
    counts = sql.execute("pivot (select customer, category from purchases) on category using count(*) group by customer").df().set_index("customer")
    shares = counts.div(counts.sum(axis=1) + 2, axis=0)
    shares /= shares.std()
    for path, lovers in shop.truth.long_tail.items():
        bought, loves = counts[path] > 0, pd.Series(counts.index.isin(lovers), counts.index)
        others = shares.drop(columns=path)
        likeness = others @ (others[bought].mean() - others.mean())
        assert bought.mean() < 0.05, path
        assert 0.2 < bought[loves].mean() < 0.6, path
        assert float(roc_auc_score(loves[~bought], likeness[~bought])) > 0.8, path


def test_rhythms_are_kept(shop: MadeUpShop, sql: duckdb.DuckDBPyConnection) -> None:
    gaps = sql.execute("""select customer, (max(day) - min(day)) / (count(distinct day) - 1) as days from purchases
                          group by 1 having count(distinct day) >= 5""").df().set_index("customer")["days"]  # fmt: skip
    planted = shop.truth.rhythms
    seen = gaps.reindex(planted.index).dropna()
    assert len(seen) > 0.9 * len(planted) > 400 * SCALE
    assert ((seen - planted[seen.index]).abs() / planted[seen.index]).median() < 0.1


def test_the_lapsed_stop(shop: MadeUpShop, sql: duckdb.DuckDBPyConnection) -> None:
    last = sql.execute("select customer_id, max(ordered_at) as last from orders where revenue > 0 group by 1").df().set_index("customer_id")["last"]
    lapsed = shop.truth.lapsed
    assert len(lapsed) > 1000 * SCALE
    assert (last.reindex(lapsed.index).dropna() < lapsed[last.reindex(lapsed.index).dropna().index]).all()


@pytest.mark.parametrize(
    "group, query, at_least",
    [
        ("vips", "select customer_id, sum(revenue) as much from orders group by 1", 2.5),
        ("sale_buyers", "select customer_id, sum(discount) / sum(revenue + discount) as much from orders where revenue > 0 group by 1", 2),
        ("gift_buyers", "select customer_id, avg(is_gift::int) as much from orders where revenue > 0 group by 1", 3),
    ],
)
def test_groups_behave_as_named(shop: MadeUpShop, sql: duckdb.DuckDBPyConnection, group: str, query: str, at_least: float) -> None:
    much = sql.execute(query).df().set_index("customer_id")["much"]
    inside = much.index.isin(getattr(shop.truth, group))
    assert much[inside].mean() > at_least * much[~inside].mean()


def test_replenishers_come_back_for_more(shop: MadeUpShop, sql: duckdb.DuckDBPyConnection) -> None:
    often = "select quantile_cont(n, .95) from (select count(distinct day) as n from purchases where category = '{}' group by customer)"
    usual = value(sql, often.format("Basics > Clothing > Socks")) / value(sql, "select count(*) from firsts where category like '%> Socks'")
    for path in shop.truth.replenished:
        assert value(sql, often.format(path)) / value(sql, f"select count(*) from firsts where category = '{path}'") > 1.5 * usual, path


def test_the_new_category_and_the_new_shoe_sell_from_their_first_day_on(shop: MadeUpShop, sql: duckdb.DuckDBPyConnection) -> None:
    opened = shop.truth.new_category_opened
    assert value(sql, f"select count(*) from purchases where category = '{shop.truth.new_category}' and day < '{opened}'") == 0
    assert value(sql, f"select count(*) from purchases where category = '{shop.truth.new_category}'") > 10
    assert value(sql, f"select date_diff('day', created_at::date, date '{END}') from products where product_id = '{NEW_PRODUCT_ID}'") < 14


def test_truth_names_known_customers_and_categories(shop: MadeUpShop) -> None:
    truth = shop.truth
    ids = set(shop.tables["customers"]["customer_id"].to_pylist())
    groups = [truth.vips, truth.gift_buyers, truth.sale_buyers, *truth.long_tail.values()]
    indexed = [truth.rhythms.index, truth.lapsed.index, truth.tastes.index]
    assert ids.issuperset(name for group in (*groups, *(index.to_numpy(str) for index in indexed)) for name in group)
    named = {path for pair in (*truth.decoys, *truth.substitutes) for path in pair} | truth.long_tail.keys() | truth.replenished.keys()
    assert named | {path for pair in truth.cross_sell for path in (pair.first, pair.then)} <= {each.path for each in CATEGORIES}
    np.testing.assert_allclose(truth.tastes.sum(axis=1), 1, atol=1e-5)


def test_the_page_about_the_shop_names_all_that_is_planted(shop: MadeUpShop) -> None:
    page = (Path(__file__).resolve().parent.parent / "docs" / "demo-shop.md").read_text(encoding="utf-8")
    last = [path.rsplit(" > ", 1)[-1] for path in (*shop.truth.long_tail, *shop.truth.replenished, shop.truth.new_category)]
    pairs = [f"| {pair.first.rsplit(' > ', 1)[-1]} | {pair.then.rsplit(' > ', 1)[-1]} | {pair.days} |" for pair in shop.truth.cross_sell]
    others = [" and ".join(path.rsplit(" > ", 1)[-1] for path in pair) for pair in (*shop.truth.decoys, *shop.truth.substitutes)]
    missing = [text for text in (*last, *pairs, *others) if text not in page]
    assert missing == []
