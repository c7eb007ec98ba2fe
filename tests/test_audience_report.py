"""The page that compares audiences: every section has content or says why not, tables can be sorted, nothing is fetched, and nobody is named."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from features.config import Config
from features.shop import Shop
from models.pairs.intervals import Spread
from serving.audiences.check import lift_of
from serving.audiences.realised import realised
from serving.reports.audiences import judged
from serving.scores import score
from whobuys.cli import app

HEADINGS = [
    "Comparison",
    "What to begin with",
    "Expected against realised",
    "What they have in common",
    "The audiences, one by one",
    "What the words mean",
]
AUDIENCES = """\
audience: campers
name: Campers <script>alert(1)</script>
who:
  - interested_in: {category: Camping, top: 20%}
control_group: 10%
offer: {says: free delivery, cost: 4}
---
audience: paddlers
who:
  - bought: {category: Paddling, within: 12 months}
except:
  - lifecycle: lost
---
audience: nobody
who:
  - orders: {at_least: 100000}
"""
VOID = {"meta"}


class Read(HTMLParser):
    """Every element is closed where it should be; headings, words, the rows of sortable tables, and what is fetched from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.fetched: list[str] = []
        self.words: list[str] = []
        self.scripts = self.sortable = 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [str(value) for name, value in attrs if name in ("src", "href") and not str(value).startswith("#")]
        self.fetched += [tag] if tag in ("link", "iframe", "object") else []
        self.scripts += tag == "script"
        self.sortable += ("class", "sortable") in attrs
        self.open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data.strip())
        if data.strip() and self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data.strip())


@pytest.fixture(scope="module")
def folder(trained_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scored shop with three audiences, one of which was built two months ago."""
    made = Path(shutil.copytree(trained_shop, tmp_path_factory.mktemp("compared") / "shop"))
    score(made, config=Config())
    (made / "audiences.yaml").write_text(AUDIENCES, encoding="utf-8")
    (made / "whobuys.toml").write_text("[audiences]\ncontact_cost = { email = 0.02 }\n[customers]\nmargin = 0.4\n", encoding="utf-8")
    run("audience", "build", "campers", shop=made)
    members = made / "members" / "campers"
    for path in members.glob("2026-07-01.*"):
        shutil.copy(path, path.with_name(path.name.replace("2026-07-01", "2026-05-01")))
    return made


def run(*words: str, shop: Path) -> str:
    result = CliRunner().invoke(app, [*words, "--shop", str(shop)], env={"WHOBUYS_TODAY": "2026-07-01"})
    assert result.exit_code == 0, result.output
    return str(result.stdout).strip()


@pytest.fixture(scope="module")
def text(folder: Path) -> str:
    path = Path(run("report", "audiences", shop=folder))
    assert path == folder / "reports" / "audiences.html"
    return path.read_text(encoding="utf-8")


def test_the_page_is_whole_and_needs_nothing_else(text: str) -> None:
    found = Read(text)
    assert found.open == [] and found.fetched == [] and found.headings == HEADINGS
    assert "http" not in text and "url(" not in text and len(text) < 1_000_000
    assert found.scripts == 1 and found.sortable == 1  # the one that sorts; what a definition is called is escaped
    words = {word for each in found.words for word in re.findall(r"[\w<>]+", each)}
    assert not {"nan", "NaN", "None", "inf", "NA"} & words


def test_it_says_what_each_audience_is_and_how_it_fared(text: str) -> None:
    words = " ".join(Read(text).words)
    for told in (
        "free delivery",
        "builds that are over",
        "past dates",
        "against the broad audience",
        "What sets them apart",
        "An offer may cost",
        "nobody has no members",
    ):
        assert told in words, told


def test_it_names_no_customer(text: str, folder: Path) -> None:
    people = Shop.open(folder).tables["customers"].to_pandas()
    known = set(re.findall(r"[\w@.+-]+", text))
    assert not known & set(people["customer_id"]) and not known & set(people["email"].dropna())


def test_cells_of_the_comparison_have_the_numbers_they_are_sorted_by(text: str) -> None:
    table = text[text.index('class="sortable"') :].split("</table>")[0]
    orders = [float(each) for each in re.findall(r'data-order="([^"]+)"', table)]
    assert len(re.findall("<tr>", table)) == 4 and len(orders) >= 20
    assert 'aria-sort="descending">potential' in table


def test_what_came_of_builds_that_are_over(folder: Path) -> None:
    shop = Shop.open(folder)
    (row,) = realised(folder, "campers", shop, Spread()).to_dict("records")
    members = pd.read_parquet(folder / "members" / "campers" / "2026-05-01.parquet")
    assert row["origin"] == "2026-05-01" and row["size"] == len(members) and row["expected"] == pytest.approx(members["probability"].sum(), rel=1e-5)
    lines, orders = (shop.tables[name].to_pandas() for name in ("order_lines", "orders"))
    products = shop.products
    camping = products.index[products["category"].str.contains("Camping", na=False)]
    day = pd.to_datetime(orders["ordered_at"]).dt.tz_localize(None)
    inside = orders[(day >= "2026-05-01") & (day < "2026-05-31") & orders["status"].eq("completed")]
    bought = inside[inside["order_id"].isin(lines[lines["product_id"].isin(camping) & (lines["quantity"] > 0)]["order_id"])]["customer_id"]
    assert abs(row["bought"] - members["customer_id"].isin(bought).sum()) <= 0.02 * row["bought"] + 1
    assert realised(folder, "paddlers", shop, Spread()).empty


def test_lift_is_over_all_dates_together() -> None:
    origins = pd.DataFrame({"size": [10, 30], "bought": [5, 5], "customers": [100, 100], "buyers": [10, 10]})
    lift, low, high = lift_of(origins)
    assert lift == pytest.approx(2.5) and low < lift < high
    assert all(each != each for each in lift_of(origins.assign(buyers=0)))


@pytest.mark.parametrize(
    "bought, expected, told",
    [(7, 6.0, "too few to tell"), (50, 40.0, "surely above +25 %"), (11, 12.0, "not surely above +25 %"), (1, 30.0, "surely below +25 %")],
)
def test_the_page_is_no_surer_than_a_check(bought: int, expected: float, told: str) -> None:
    assert judged(pd.DataFrame({"size": [100], "bought": [bought], "expected": [expected], "customers": [1000], "buyers": [100]})) == told


@pytest.mark.parametrize(
    "words, message",
    [
        (["-o", "page.pdf"], "page.pdf: the report is one HTML page"),
        (["camper"], "there is no audience 'camper', did you mean 'campers'?"),
        (["long-tail"], "long-tail: its products are found when it is built"),
    ],
)
def test_what_cannot_be_written_is_told(folder: Path, words: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["report", "audiences", *words, "--shop", str(folder)], env={"WHOBUYS_TODAY": "2026-07-01"})
    assert result.exit_code in (1, 2) and message in result.output
