"""The page about customers: every section has content or says why not, on any shop; it needs nothing else, and names nobody."""

import re
import shutil
from dataclasses import replace
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from features.behaviour import Season
from features.config import Config
from features.dates import day_number
from features.shop import Shop
from features.snapshot import Snapshot
from models.bundle import Bundle
from models.customers.importance import GROUP_NAMES
from models.customers.outlook import Outlook, OutlookConfig
from serving.customers import Customers
from serving.reports.base import Base
from serving.reports.customers import page
from serving.reports.habits import _seasons_told
from serving.reports.held import came_since, importance_held
from serving.reports.worth import REASON_WORDS
from serving.scores import score
from whobuys.cli import app

START = date(2024, 1, 1)
CANARY, MAIL = "canary-4711", "canary@birds.example"
HEADINGS = (
    "Stages of life",
    "Importance",
    "RFM",
    "Value against risk",
    "Concentration",
    "Cohorts",
    "Seasons",
    "Who orders again",
    "How they buy",
    "What makes a VIP",
    "Sign-ups without an order",
    "Where the numbers come from",
)
VOID = {"meta", "line", "polyline"}


class Read(HTMLParser):
    """Every element is closed where it should be; headings, cells, and what is fetched from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.fetched: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [str(value) for name, value in attrs if name in ("src", "href", "xlink:href") and not str(value).startswith("#")]
        self.fetched += [tag] if tag in ("script", "link", "iframe", "object") else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data.strip())
        if data.strip() and self.open and self.open[-1] != "style":
            self.words.append(data.strip())


def read(text: str) -> Read:
    found = Read(text)
    assert found.open == [] and found.fetched == []
    assert "http" not in text and "url(" not in text and len(text) < 2_000_000
    assert tuple(found.headings) == HEADINGS
    assert not {"nan", "NaN", "None", "inf", "<NA>"} & {word for each in found.words for word in re.findall(r"[\w<>]+", each)}, found.words
    return found


def base_of(shop: Shop, as_of: date | None = None, *, horizons: tuple[int, ...] = (30, 60, 90, 180, 365)) -> Base:
    """A shop that is too young to learn from, as it is answered: by buy-till-you-die models alone."""
    snapshot = Snapshot(shop, as_of or shop.default_as_of, 30)
    fitted = Outlook.fit(snapshot, None, config=OutlookConfig(horizons=(30,)))
    outlook = replace(fitted, config=OutlookConfig(horizons=horizons))
    bundle = Bundle("test", snapshot.as_of, 30, None, None, None, outlook)
    return Base("a shop", "", bundle, snapshot, Customers.of(bundle, snapshot).table)


def orders_of(rows: list[tuple[str, int, float]]) -> Shop:
    """A shop with orders only: (customer, day, revenue)."""
    orders = pd.DataFrame(rows, columns=["customer_id", "day", "revenue"])
    orders["ordered_at"] = pd.Timestamp(START) + pd.to_timedelta(orders["day"], unit="D")
    orders["order_id"] = [f"o{number}" for number in range(len(orders))]
    customers = pd.DataFrame({"customer_id": sorted(orders["customer_id"].unique())})
    return Shop.of({"orders": orders.drop(columns="day").assign(status="completed"), "customers": customers})


@pytest.fixture(scope="module")
def scored(trained_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reported") / "shop"
    shutil.copytree(trained_shop, folder)
    score(folder, config=Config())
    return folder


def run(*words: str, shop: Path) -> str:
    result = CliRunner().invoke(app, ["report", "customers", "--shop", str(shop), *words], env={"WHOBUYS_TODAY": "2026-07-01"})
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def test_the_page_of_a_scored_shop_has_every_section(scored: Path) -> None:
    path = Path(run(shop=scored))
    assert path == scored / "reports" / "customers.html"
    text = path.read_text(encoding="utf-8")
    found = read(text)
    assert 'name="viewport"' in text and text.startswith("<!doctype html>")
    assert text.count("<table>") >= 14 and text.count("<svg") == 1 and 'class="upright"' in text and text.count('class="bar"') == 8
    told = " ".join(found.words)
    assert re.search(r"[\d,]+ customers have ordered so far, and [\d,]+ of them \(\d+ %\) are expected to order within the next 30 days\.", told)
    assert re.search(r"They are expected to bring [\d,]+ \w* ?in 30 days, [\d,]+ \w* ?in 90 days and [\d,]+ \w* ?in 365 days\.", told)
    assert "Horizons: 30, 60, 90, 180 and 365 days were learnt from windows as long, which are over." in told
    assert re.search(r"What VIPs brought, as of .* VIPs \d+ [\d,]+ \d+ % as many by past revenue \d+ [\d,]+ \d+ %", told)
    assert "Who ordered again, by importance as of" in told and "different products bought" in told and "seen once" not in told
    assert re.search(r"\d+ % of the customers have just ordered or are active, against \d+ % three months ago", told)


def test_what_drives_the_value_of_every_group_is_told(scored: Path, tmp_path: Path) -> None:
    text = Path(run("-o", str(tmp_path / "x.html"), shop=scored)).read_text(encoding="utf-8")
    table = text.partition("How the model weighs it, by importance")[2].partition("</table>")[0]
    groups = re.findall(r'<th scope="col">([^<]*)', table)[1:]
    assert set(groups) <= set(GROUP_NAMES) and "VIP" in groups and "one-time" in groups
    rows = re.findall(r'<th scope="row">([^<]*).*?</tr>', table, re.DOTALL)
    assert rows and set(rows) <= set(REASON_WORDS.values())


def test_no_customer_is_in_the_page(scored: Path, tmp_path: Path) -> None:
    text = Path(run("-o", str(tmp_path / "x.html"), shop=scored)).read_text(encoding="utf-8")
    ids = Shop.open(scored).customer_ids
    assert len(ids) > 100 and not [each for each in ids if str(each) in text]
    assert "@" not in text.partition("</style>")[2]


def test_a_canary_does_not_sing() -> None:
    rows = [(f"c{who}", 3 * who + 50 * time, 20.0 + who) for who in range(60) for time in range(3)] + [(CANARY, 7, 99_999.0)]
    shop = orders_of(rows)
    tables = {name: shop.tables[name].to_pandas() for name in ("orders", "customers")}
    tables["customers"] = tables["customers"].assign(email=MAIL, name="Canary Bird", city="Canaryville", postal_code="CAN-1")
    text = page(base_of(Shop.of(tables)))
    read(text)
    assert "canary" not in text.lower() and "CAN-1" not in text


def test_another_date_is_scored_for_the_page(scored: Path, tmp_path: Path) -> None:
    before = sorted(path.name for path in (scored / "scores").iterdir())
    as_of = Shop.open(scored).default_as_of
    text = Path(run("--as-of", str(as_of), "-o", str(tmp_path / "x.html"), shop=scored)).read_text(encoding="utf-8")
    assert text == Path(run("-o", str(tmp_path / "y.html"), shop=scored)).read_text(encoding="utf-8")
    assert sorted(path.name for path in (scored / "scores").iterdir()) == before


def test_without_scores_customers_are_scored_for_the_page(trained_shop: Path, scored: Path, tmp_path: Path) -> None:
    shutil.copytree(trained_shop, tmp_path / "shop")
    own = Path(run(shop=tmp_path / "shop")).read_text(encoding="utf-8")
    assert own == Path(run("-o", str(tmp_path / "x.html"), shop=scored)).read_text(encoding="utf-8")
    assert not (tmp_path / "shop" / "scores").exists()


def test_only_html_is_written(scored: Path) -> None:
    result = CliRunner().invoke(app, ["report", "customers", "--shop", str(scored), "-o", "x.pdf"])
    assert result.exit_code == 2
    assert "x.pdf: the report is one HTML page; name a file that ends with .html" in result.stderr


STRANGE = {
    "a single day of sales": [(f"c{who}", 10, 20.0) for who in range(100)],
    "everybody with one order": [(f"c{who}", who, 20.0) for who in range(100)],
    "no order in the last 90 days": [*((f"c{who}", who % 50, 20.0) for who in range(100)), ("late", 200, 1.0)],
    "an outlier with 200 orders": [*((f"c{who}", who, 20.0) for who in range(100)), *(("firm", day, 9000.0) for day in range(200))],
    "orders only, under a year": [(f"c{who}", 2 * who + 40 * time, 20.0 + who) for who in range(100) for time in range(3)],
    "orders only, three years": [(f"c{who}", 9 * who + 50 * time, 20.0 + who) for who in range(100) for time in range(4)],
    "one customer": [("alone", 3, 5.0)],
    "one customer who came back": [("alone", 3, 5.0), ("alone", 33, 5.0)],
    "refunds above revenue": [
        *((f"c{who}", who + 30 * time, 20.0) for who in range(60) for time in range(2)),
        *((f"c{who}", 95, -99.0) for who in range(60)),
    ],
    "orders that brought next to nothing": [(f"c{who}", who, 0.01) for who in range(50)],
}


@pytest.mark.parametrize("name", STRANGE)
def test_every_shop_has_a_page(name: str) -> None:
    read(page(base_of(orders_of(STRANGE[name]))))


def test_other_horizons_are_told() -> None:
    told = " ".join(read(page(base_of(orders_of(STRANGE["orders only, three years"]), horizons=(7, 273)))).words)
    assert re.search(r"They are expected to bring [\d,.]+ in 30 days\.", told)
    assert "of the revenue of the next 273 days is expected of them" in told
    assert (
        "Horizons: 30 days were learnt from shorter windows, as the history is too short for windows as long; 7 and 273 days are carried on" in told
    )


def test_what_came_after_the_date_is_not_in_the_page() -> None:
    rows = STRANGE["orders only, under a year"]
    as_of = START + timedelta(days=150)
    known = [row for row in rows if row[1] < 150]
    assert page(base_of(orders_of(rows), as_of)) == page(base_of(orders_of(known), as_of))


def test_what_is_missing_is_said() -> None:
    told = " ".join(read(page(base_of(orders_of(STRANGE["a single day of sales"])))).words)
    for reason in (
        "The orders begin less than three months ago, so the stages of life cannot be compared with those of then.",
        "The first order is of 11 January 2024; dates before it are left out.",
        "All customers are alike in when they last ordered and how often, so fifths of them would tell nothing.",
        "Who comes back from which stage is not measured yet",
        "There is no month yet that is over and has one before it, so nobody can be followed.",
        "The orders do not go back a year, so the shop’s seasons are not known yet.",
        "so nobody had 90 days to order again",
        "There are no VIPs to compare with others yet.",
        "No customer is known who signed up and has not ordered.",
        "are carried on by a buy-till-you-die model, as the history is too short to learn them.",
    ):
        assert reason in told


def test_a_cohort_is_followed_through_periods_that_are_over() -> None:
    """Two of the four of January come again in February, one in March; 10 April is not over."""
    again = [("a", 0, 9.0), ("b", 1, 9.0), ("c", 2, 9.0), ("d", 3, 9.0), ("a", 40, 9.0), ("b", 41, 9.0), ("a", 70, 9.0), ("a", 99, 9.0)]
    text = page(base_of(orders_of(again)))
    row = re.search(r'<tr><th scope="row">Jan 2024</th>(.*?)</tr>', text, re.DOTALL)
    assert row is not None and re.findall(r"<td[^>]*>([^<]*)", row[1]) == ["4", "50 %", "25 %"]


def test_nothing_is_told_of_what_an_orders_only_shop_does_not_have() -> None:
    rows = [(f"c{who}", 3 * who + 50 * time, 20.0 + who) for who in range(60) for time in range(who % 4 + 1)]
    told = " ".join(read(page(base_of(orders_of(rows)))).words)
    assert "What makes a VIP" in told and "orders so far" in told
    assert not [each for each in ("different products", "saved by discounts", "are gift buyers", "sent something back") if each in told]


def test_a_season_of_one_year_was_seen_once() -> None:
    season = (Season("11-01", "11-30", 2.0),)
    assert _seasons_told(season, years=1).endswith("seen once, as the orders hold one whole year only.")
    assert _seasons_told(season, years=3).endswith("in more than half of the 3 whole years.")


def test_what_vips_brought_is_beside_as_many_by_past_revenue(scored: Path) -> None:
    base = Base.open(scored, None, config=Config(), memory_limit=None, threads=1)
    assert base.past is not None and day_number(base.past.as_of) + 30 <= day_number(base.as_of)
    found = came_since(base.past, base.snapshot.at(base.past.as_of))
    assert found["orders"].gt(0).sum() == base.snapshot.at(base.past.as_of).ordered(days=30).sum()
    came = found.groupby("importance")["orders"].agg(lambda orders: (orders > 0).mean())
    assert came["VIP"] > came["one-time"]
    first, second = importance_held(base)
    assert [row.name for row in first.rows] == ["VIPs", "as many by past revenue", "all"]
    assert {row.name for row in second.rows} <= set(GROUP_NAMES)
