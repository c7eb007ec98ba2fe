"""The command line as its users meet it: what it prints, where, and how each mistake is answered."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from features.config import load_config
from features.errors import UsageError
from features.files import read_current
from whobuys import clock
from whobuys.cli import app

NO_CLOCK = {"WHOBUYS_TODAY": "2026-07-01"}


def ask(*words: str | Path, shop: Path | None = None, today: str = "2026-07-01") -> Result:
    further = ["--shop", str(shop)] if shop else []
    return CliRunner().invoke(app, [*map(str, words), *further], env={"WHOBUYS_TODAY": today})


def test_init_writes_commented_files_and_keeps_what_is_there(tmp_path: Path) -> None:
    result = ask("init", shop=tmp_path)
    assert result.exit_code == 0 and result.stdout == ""
    assert load_config(tmp_path).train.horizon == 30
    assert sorted(each.name for each in tmp_path.iterdir()) == ["audiences.yaml", "whobuys.toml"]
    (tmp_path / "whobuys.toml").write_text("[train]\nhorizon = 7\n", encoding="utf-8")
    assert "is there already" in ask("init", shop=tmp_path).stderr
    assert load_config(tmp_path).train.horizon == 7


def test_a_file_is_no_shop_to_begin_with(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text("No;Who\n", encoding="utf-8")
    result = ask("init", shop=tmp_path / "o.csv")
    assert result.exit_code == 1 and "o.csv: this is a file; a shop is a folder" in result.stderr


def test_import_takes_its_options_over_those_of_the_config(tmp_path: Path) -> None:
    (tmp_path / "whobuys.toml").write_text('[import]\nmap = { order_id = "No" }\ncancelled_prefix = "X"\n', encoding="utf-8")
    (tmp_path / "o.csv").write_text("No;Who;Day;Sum\n1;a;03/02/2026;1,5\nC2;b;04/02/2026;2,0\n", encoding="utf-8")
    options = ["--map", "customer_id=Who", "--map", "ordered_at=Day", "--map", "revenue=Sum", "--cancelled-prefix", "C"]
    result = ask("import", tmp_path / "o.csv", *options, "--date-format", "%d/%m/%Y", "--decimal", ",", "--delimiter", ";", "--json", shop=tmp_path)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["orders"], told["cancelled_orders"], told["first_day"], told["revenue"]) == (2, 1, "2026-02-03", 1.5)
    assert "next: whobuys train" in result.stderr


def test_who_prints_data_on_stdout_and_the_header_beside_it(trained_shop: Path) -> None:
    table = ask("who", "--category", "Tents", "--top", "3", shop=trained_shop)
    assert table.exit_code == 0, table.output
    head, when, best, columns, *rows = table.stdout.splitlines()
    assert head.startswith("Outdoor > Camping > Tents: ") and "as of 2026-07-01, the next 30 days: " in when and ", lift " in best
    assert columns.split() == ["rank", "customer_id", "probability", "is_new"] and len(rows) == 3
    as_csv = ask("who", "--category", "Tents", "--top", "3", "--csv", shop=trained_shop)
    frame = pd.read_csv(io.StringIO(as_csv.stdout))
    assert frame["rank"].tolist() == [1, 2, 3] and "buyers expected" in as_csv.stderr
    assert frame["is_new"].dtype == bool and set(frame["data_date"]) == {"2026-07-01"}
    as_json = json.loads(ask("who", "--category", "Tents", "--top", "3", "--json", shop=trained_shop).stdout)
    assert (as_json["as_of"], as_json["horizon"]) == ("2026-07-01", 30)
    assert [row["customer_id"] for row in as_json["rows"]] == frame["customer_id"].tolist() == [row.split()[1] for row in rows]


def test_replenishment_tells_what_is_due_first(trained_shop: Path, tmp_path: Path) -> None:
    result = ask("replenishment", "--csv", shop=trained_shop)
    frame = pd.read_csv(io.StringIO(result.stdout), dtype=str)
    assert frame.columns.tolist() == ["customer_id", "product_set", "rhythm_days", "due", "low", "high", "data_date"]
    assert 0 < len(frame) <= 20 and frame["due"].is_monotonic_increasing and frame["due"].str.fullmatch(r"20\d\d-\d\d-\d\d").all()
    assert (frame["low"] <= frame["due"]).all() and (frame["due"] <= frame["high"]).all() and (frame["low"] >= "2026-07-01").all()
    assert "as of 2026-07-01: " in result.stderr and " of a customer and what is bought regularly" in result.stderr
    path = tmp_path / "due.csv"
    assert ask("replenishment", "--category", "Equipment", "--within", "60", "-o", path, shop=trained_shop).exit_code == 0
    soon = pd.read_csv(path, dtype=str)
    assert set(soon["product_set"]) <= {"Equipment"} and (soon["due"] < "2026-08-30").all()


def read_rows(path: Path) -> pd.DataFrame:
    """The rows of an answer in a file."""
    if path.suffix == ".json":
        return pd.DataFrame(json.loads(path.read_text(encoding="utf-8"))["rows"])
    return pd.read_csv(path).drop(columns="data_date") if path.suffix == ".csv" else pd.read_parquet(path)


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".json"])
def test_who_writes_every_customer_and_set(ending: str, trained_shop: Path, tmp_path: Path) -> None:
    sets = tmp_path / "sets.csv"
    sets.write_text("product_set,product_id\nb,P000159\nb,P000320\na,P000001\n", encoding="utf-8")
    result = ask("who", "--sets-file", sets, "--all", "-o", tmp_path / f"out{ending}", shop=trained_shop)
    assert result.exit_code == 0 and result.stdout == "", result.output
    frame = read_rows(tmp_path / f"out{ending}")
    assert frame.columns.tolist() == ["product_set", "customer_id", "probability", "rank"]
    assert frame["product_set"].drop_duplicates().tolist() == ["b", "a"]
    assert f"{len(frame):,} rows; the probabilities in it add up to {frame['probability'].sum():,.1f} buyers" in result.stderr


def test_many_sets_are_headed_by_what_is_expected_of_each(trained_shop: Path, tmp_path: Path) -> None:
    ids = [f"P{number:06}" for number in range(1, 14)]
    (tmp_path / "sets.csv").write_text("product_set,product_id\n" + "".join(f"set {each},{each}\n" for each in ids), encoding="utf-8")
    asked: list[str | Path] = ["who", "--sets-file", tmp_path / "sets.csv", "--top", "3"]
    table = ask(*asked, shop=trained_shop).stdout.splitlines()
    assert table[0].startswith("as of 2026-07-01, the next 30 days: ") and "13 product sets, once a set, base rate " in table[0]
    assert table[1].startswith("the 39 most probable: ") and ", lift " in table[1]
    assert table[2].split() == ["product_set", "products", "listed", "expected_of_listed", "expected_buyers", "low", "high", "base_rate", "lift"]
    assert [line.split()[:4] for line in table[3:13]] == [["set", each, "1", "3"] for each in ids[:10]]
    assert table[13] == "... and 3 more, shown by --csv, or with -o FILE"
    assert sum(line.split() == ["rank", "customer_id", "probability", "is_new"] for line in table) == 10
    result = ask(*asked, "--csv", shop=trained_shop)
    assert result.stderr.splitlines()[:13] == table[:13] and result.stderr.splitlines()[13] == "... and 3 more, in the rows"
    assert pd.read_csv(io.StringIO(result.stdout))["product_set"].nunique() == 13
    written = ask(*asked, "-o", tmp_path / "out.csv", shop=trained_shop).stderr
    assert "\n".join(table[:13]) in written and f"... and 3 more, in {tmp_path / 'out.csv'}" in written


@pytest.mark.parametrize("text", ["product_set,product_id\nmine,P000159\nmine,X1\nnobody,X2\n", "# ours\ncategory: Tents\n\nNordvind\n"])
def test_one_file_of_sets_serves_who_and_score(text: str, shop: Path, tmp_path: Path) -> None:
    (tmp_path / "sets.csv").write_text(text, encoding="utf-8")
    asked = ask("who", "--sets-file", tmp_path / "sets.csv", "--top", "2", "--csv", shop=shop)
    scored = ask("score", "--sets", tmp_path / "sets.csv", "--csv", shop=shop)
    assert asked.exit_code == scored.exit_code == 0, asked.output + scored.output
    sets = [set(pd.read_csv(io.StringIO(each.stdout))["product_set"]) for each in (asked, scored)]
    assert sets[0] == sets[1] == ({"mine"} if "mine" in text else {"Outdoor > Camping > Tents", "Nordvind"})
    for result in (asked, scored):
        assert ("1 of 2 product sets are left out, as the shop knows none of their products: 'nobody'" in result.stderr) is ("mine" in text)
        assert ("left out of 'mine' (1 of 2)" in result.stderr) is ("mine" in text)


def test_the_header_counts_known_products(trained_shop: Path, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("P000159\nX1\n", encoding="utf-8")
    result = ask("who", "--ids-file", tmp_path / "ids.txt", "--top", "1", shop=trained_shop)
    assert result.stdout.startswith("ids.txt: 1 product (") and "left out of 'ids.txt' (1 of 2)" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["tent"],
        ["mosquito", "repellent"],
        ["--brand", "Nordvind", "--category", "Tents"],
        ["--product", "P000159"],
        ["--product", "P000159", "--product", "P000320"],
        ["--attribute", "price>=100", "--attribute", "price<=300"],
        ["--attribute", "brand=Nordvind"],
        ["--ids-file", "{folder}/ids.txt"],
        ["--ids-file", "{folder}/ids.csv"],
        ["--sets-file", "{folder}/ids.csv", "--top", "2", "--csv"],
        ["tent", "--as-of", "2026-07-01"],
    ],
)
def test_every_way_to_name_products(words: Sequence[str], trained_shop: Path, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("P000159\n\nP000320\n", encoding="utf-8")
    (tmp_path / "ids.csv").write_text("product_set,product_id\na,P000159\n", encoding="utf-8")
    result = ask("who", *(word.format(folder=tmp_path) for word in words), shop=trained_shop)
    assert result.exit_code == 0, result.output
    assert "customer_id" in result.stdout


@pytest.mark.parametrize(
    "words, code, message",
    [
        (["who"], 2, "which products? Give a keyword"),
        (["who", "--category", "Tnts"], 1, "there is no category 'Tnts', did you mean 'Tents'?"),
        (["who", "--brand", "Nordwind"], 1, "there is no brand 'Nordwind', did you mean 'Nordvind'?"),
        (["who", "--product", "P999999"], 1, "there is no product 'P999999'"),
        (["who", "zzyzx"], 1, "no product has the keyword 'zzyzx'"),
        (["who", "--category", "Tents", "--brand", "Nordvind", "socks"], 1, "no product is in all of"),
        (["who", "--ids-file", "{folder}"], 1, "this is a folder; name a file in it"),
        (["who", "--sets-file", "{folder}"], 1, "this is a folder; name a file in it"),
        (["score", "--sets", "{folder}"], 1, "this is a folder; name a file in it"),
        (["who", "--sets-file", "{folder}/unknown.csv", "--all"], 2, "give a file for it with -o FILE"),
        (["train", "--as-of", "2020-01-01"], 1, "--as-of 2020-01-01: nobody had ordered before that day; the orders are of 20"),
        (["who", "--ids-file", "{folder}/unknown.txt"], 1, "no product of 'unknown.txt' is known to the shop"),
        (["who", "--sets-file", "{folder}/unknown.csv"], 1, "no product of 'nobody' is known to the shop"),
        (["who", "--sets-file", "{folder}/none.csv"], 1, "there is no such file"),
        (["who", "tent", "--sets-file", "{folder}/unknown.csv"], 2, "--sets-file names whole sets"),
        (["who", "--attribute", "price"], 2, "--attribute is written column=value"),
        (["who", "--attribute", "price>=cheap"], 2, "after >= comes a number, got 'cheap'"),
        (["who", "--attribute", "prise=1"], 1, "products have no column 'prise', did you mean 'price'?"),
        (["who", "tent", "-o", "{folder}/x.xlsx"], 2, "the file's ending must be one of"),
        (["who", "tent", "--json", "--csv"], 2, "--json and --csv exclude each other"),
        (["who", "tent", "--as-of", "2026-13-01"], 2, "a date is written YYYY-MM-DD, got '2026-13-01'"),
        (["who", "tent", "--as-of", "2020-01-01"], 1, "nobody had ordered before 2020-01-01"),
        (["who", "tent", "--bundle", "nope"], 1, "there is no bundle 'nope'"),
        (["score", "--sets", "{folder}/none.txt"], 1, "there is no such file"),
        (["evaluate", "--table", "method", "--csv"], 2, "there is no table 'method', did you mean 'methods'?"),
        (["schema", "order"], 2, "there is no table 'order', did you mean 'orders'?"),
        (["import", "{folder}/none.csv"], 1, "none.csv: there is no such file"),
        (["import", "--map", "order=x"], 2, "'order' is no canonical column"),
        (["import"], 1, "no files to import"),
        (["import", "{folder}/unknown.csv", "--delimiter", "--"], 2, "delimiter"),
        (["import", "{folder}/unknown.csv", "--decimal", "x"], 2, "decimal"),
        (["scheme"], 2, "Did you mean 'schema'?"),
    ],
)
def test_a_mistake_is_one_clear_message(words: Sequence[str], code: int, message: str, shop: Path, tmp_path: Path) -> None:
    (tmp_path / "unknown.txt").write_text("X1\n", encoding="utf-8")
    (tmp_path / "unknown.csv").write_text("product_set,product_id\nnobody,X1\n", encoding="utf-8")
    before = (shop / "current.json").read_bytes()
    result = ask(*(word.format(folder=tmp_path) for word in words), shop=None if words == ["scheme"] or words[0] == "schema" else shop)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr and "Traceback" not in result.stderr
    assert (shop / "current.json").read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["shop", "unknown.csv", "unknown.txt"]


@pytest.mark.parametrize(
    "words, message",
    [
        (["who", "tent"], "no orders were imported here yet; run: whobuys import"),
        (["score"], "no orders were imported here yet; run: whobuys import"),
    ],
)
def test_each_verb_names_the_one_before_it(words: Sequence[str], message: str, tmp_path: Path) -> None:
    result = ask(*words, shop=tmp_path)
    assert result.exit_code == 1 and message in result.stderr


def test_who_before_train_says_so(shop: Path) -> None:
    tables = read_current(shop).get("tables")
    (shop / "current.json").write_text(json.dumps({"tables": tables}), encoding="utf-8")
    result = ask("who", "tent", shop=shop)
    assert result.exit_code == 1 and "nothing was trained here yet; run: whobuys train" in result.stderr


def test_score_publishes_and_tells_what_is_expected(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "sets.txt").write_text("category: Tents\nbrand: Nordvind\n", encoding="utf-8")
    result = ask("score", "--sets", tmp_path / "sets.txt", "--csv", shop=shop)
    assert result.exit_code == 0, result.output
    frame = pd.read_csv(io.StringIO(result.stdout))
    assert sorted(frame["product_set"]) == ["Nordvind", "Outdoor > Camping > Tents"]
    assert str(read_current(shop)["scores"]).startswith("scores/2026-07-01-")


def test_orders_alone_are_scored_and_nobody_is_sent_to_who(shop: Path) -> None:
    ask("import", shop / "exports-in" / "orders.csv", shop=shop)
    result = ask("score", shop=shop)
    assert result.exit_code == 0 and "next: whobuys who" not in result.stderr
    assert "customers.parquet; the orders have no lines, so nothing is known of what was bought; import order lines" in result.stderr


def test_too_few_orders_are_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text(
        "order_id,customer_id,ordered_at,revenue\n1,a,2024-01-01,1\n2,b,2025-01-01,1\n3,a,2026-01-01,1\n", encoding="utf-8"
    )
    ask("import", tmp_path / "o.csv", shop=tmp_path)
    result = ask("train", shop=tmp_path)
    assert result.exit_code == 1 and result.stdout == ""
    assert (
        "there are 3 orders of 2 customers, too few to learn from: import the orders of at least 20 customers, over at least 60 days" in result.stderr
    )


def test_evaluate_prints_ours_beside_the_rules(trained_shop: Path) -> None:
    told = ask("evaluate", shop=trained_shop).stdout
    assert "whobuys" in told and "orders_from_set" in told and "who orders anything" in told
    frame = pd.read_csv(io.StringIO(ask("evaluate", "--csv", shop=trained_shop).stdout))
    assert {"origin", "method", "ap", "new_ap"} <= set(frame.columns)


def test_doctor_finds_what_is_wrong(shop: Path) -> None:
    healthy = ask("doctor", "--csv", shop=shop)
    assert healthy.exit_code == 0, healthy.output
    states = pd.read_csv(io.StringIO(healthy.stdout)).set_index("check")["state"]
    assert states[["tables", "bundle", "scores", "lightgbm"]].tolist() == ["ok", "ok", "missing", "ok"]
    (shop / "audiences.yaml").write_text("audience: tents\nwho: [{bought: {category: Tents}}]\n", encoding="utf-8")
    (shop / "scores" / ".2026-07-01-x.part").mkdir(parents=True)
    told = ask("doctor", shop=shop)
    assert told.exit_code == 0 and "1 audience, whose products are all known" in told.stdout
    assert "scores/.2026-07-01-x.part: 0.0 MB of runs that were broken off" in told.stdout
    (shop / "audiences.yaml").write_text("audience: tents\nwho: [{bought: {category: Tnets}}]\n", encoding="utf-8")
    wrong = ask("doctor", shop=shop)
    assert wrong.exit_code == 1 and "tents: who.0.bought.category: there is no category 'Tnets', did you mean 'Tents'?" in wrong.stdout
    ask("score", shop=shop)
    ask("import", shop / "exports-in" / "orders.csv", shop=shop)
    assert "(of older orders than the tables)" in ask("doctor", shop=shop).stdout
    orders = shop / str(read_current(shop)["tables"]) / "orders.parquet"
    orders.write_bytes(orders.read_bytes()[:-1])
    (shop / "audiences.yaml").write_text("audience: [", encoding="utf-8")
    (shop / "whobuys.toml").write_text("[trian]\n", encoding="utf-8")
    ill = ask("doctor", shop=shop)
    assert ill.exit_code == 1
    assert "orders.parquet: its sha256 does not fit" in ill.stdout and "audiences.yaml, line 1: this is not valid YAML" in ill.stdout
    assert "[trian] is no section, did you mean 'train'?" in ill.stdout
    (shop / "current.json").write_text("{", encoding="utf-8")
    assert ask("doctor", shop=shop).exit_code == ask("doctor", shop=shop / "nowhere").exit_code == 1


def test_schema_as_text_and_json() -> None:
    assert "order_id*" in ask("schema", "orders").stdout
    schema = json.loads(ask("schema", "--json").stdout)
    assert list(schema["properties"]) == ["customers", "products", "orders", "order_lines", "events"]
    assert schema["properties"]["orders"]["items"]["required"] == ["order_id"]


def test_the_shop_can_come_from_the_environment(trained_shop: Path) -> None:
    result = CliRunner().invoke(app, ["who", "tent", "--top", "1"], env={**NO_CLOCK, "WHOBUYS_SHOP": str(trained_shop)})
    assert result.exit_code == 0


@pytest.mark.parametrize("words", [["--debug", "who", "--category", "Tnts"], ["who", "--category", "Tnts", "--debug"]])
def test_debug_shows_where_an_error_came_from(words: Sequence[str], trained_shop: Path) -> None:
    environment = {**os.environ, **NO_CLOCK, "WHOBUYS_SHOP": str(trained_shop)}
    command = [sys.executable, "-c", "from whobuys.cli import app; app()", *words]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 1 and "Traceback" in ended.stderr and "there is no category 'Tnts'" in ended.stderr


@pytest.mark.parametrize("today, noted", [("2026-07-08", False), ("2026-07-20", True), ("2026-09-01", True)])
def test_old_orders_are_noted(today: str, noted: bool, trained_shop: Path) -> None:
    assert ("note: this is " in ask("who", "tent", "--top", "1", shop=trained_shop, today=today).stderr) is noted
    assert "note: this is " not in ask("who", "tent", "--as-of", "2026-07-01", "--top", "1", shop=trained_shop, today=today).stderr


def test_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHOBUYS_TODAY", "2026-02-03")
    assert clock.today() == date(2026, 2, 3)
    monkeypatch.setenv("WHOBUYS_TODAY", "soon")
    with pytest.raises(UsageError, match="WHOBUYS_TODAY: a date is written YYYY-MM-DD, got 'soon'"):
        clock.today()


def test_version_and_help() -> None:
    assert ask("--version").stdout.startswith("whobuys 0.")
    help_ = ask("--help").stdout
    assert all(f"\n  {verb} " in help_ for verb in "demo init import train evaluate tune score who doctor schema audience".split())
