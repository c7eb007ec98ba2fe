"""Exports of a whole shop: the files, their manifests, what is refused, tables for dashboards, and where an address may be found and where not."""

import hashlib
import json
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from features.errors import DataError, Refused, UsageError, WhobuysError
from features.files import sha256
from features.made_up import CANARY_EMAIL
from features.shop import Shop
from serving.audiences import AUDIENCES
from serving.destinations import tables
from serving.destinations.presets import PRESETS
from whobuys.cli import app

ROOT = Path(__file__).resolve().parent.parent
CLEAR = [name for name in PRESETS if name not in ("google", "meta")]


def invoke(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"WHOBUYS_SHOP": str(folder), "WHOBUYS_TODAY": "2026-07-01"})


def run(folder: Path, *arguments: str, fails: type[WhobuysError] | None = None) -> str:
    """What a command prints to stdout, or the message that it fails with; no address is in either."""
    result = invoke(folder, *arguments)
    assert result.exit_code == (fails.exit_code if fails else 0), result.output
    assert "@" not in result.output
    return result.stderr if fails else result.stdout


def export(folder: Path, name: str, preset: str, *options: str) -> tuple[Path, dict[str, object]]:
    """The exported file, and its manifest, which fits it."""
    found = json.loads(run(folder, "audience", "export", name, "--to", preset, "--json", *options))
    path = Path(found.pop("path"))
    facts = json.loads(path.with_name(f"{path.name}.manifest.json").read_text(encoding="utf-8"))
    assert facts == found
    assert (facts["sha256"], facts["bytes"], facts["file"]) == (sha256(path), path.stat().st_size, path.name)
    return path, facts


def read(path: Path) -> pd.DataFrame:
    """An export as pandas opens it, all text."""
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_json(path, lines=True, dtype=False) if path.suffix == ".jsonl" else pd.read_csv(path, dtype=str)


def documented() -> dict[str, list[str]]:
    """The headers that docs/exports.md names for each preset."""
    page = (ROOT / "docs" / "exports.md").read_text(encoding="utf-8")
    return {name: headers.strip().split(",") for name, headers in re.findall(r"^### `(\w+)`.*?^```\n(.*?)^```", page, re.MULTILINE | re.DOTALL)}


def headers_of(preset: str) -> list[str]:
    """The headers of the file: a neutral one has the date of the data besides, Parquet keeps that as metadata."""
    return [*PRESETS[preset].headers, *(["data_date"] if preset in ("csv", "jsonl") else [])]


def test_every_preset_is_documented_with_its_headers() -> None:
    assert documented() == {name: headers_of(name) for name in PRESETS}


# the made-up shop


@pytest.fixture(scope="module")
def folder(trained_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop with scores and built audiences; the canary is a member of all of them."""
    shop = Path(shutil.copytree(trained_shop, tmp_path_factory.mktemp("nordic") / "shop"))
    people = Shop.open(shop).tables["customers"].to_pandas()
    canary = people.loc[people["email"] == CANARY_EMAIL, "customer_id"].item()
    nobody = people.loc[people["consent_ads"].isna(), "customer_id"].head(20).tolist()
    tents = f"who: [{{bought: {{anything: true}}}}]\ninclude: {canary}\nchoose: {{by: {{interested_in: {{category: Tents}}}}}}\n"
    (shop / AUDIENCES).write_text(
        f"audience: tents\nname: Tent lovers\n{tents}---\naudience: held\n{tents}control_group: 50%\n"
        f"---\naudience: small\n{tents}minimum_size: 99999\n"
        f"---\naudience: silent\nwho: [{{orders: {{at_least: 999999}}}}]\ninclude: {json.dumps(nobody)}\n"
        f"---\naudience: empty\nwho: [{{orders: {{at_least: 999999}}}}]\n---\naudience: never-built\n{tents}",
        encoding="utf-8",
    )
    run(shop, "score")
    for name in ("tents", "held", "silent", "empty"):
        run(shop, "audience", "build", name)
    assert "fewer than its minimum_size of 99,999" in run(shop, "audience", "build", "small", fails=Refused)
    return shop


@pytest.mark.parametrize("preset", PRESETS)
def test_an_export_opens_with_its_headers_and_a_manifest(folder: Path, preset: str) -> None:
    path, facts = export(folder, "tents", preset)
    table = read(path)
    assert list(table) == headers_of(preset)
    assert path.parent == folder / "exports" and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(table) == facts["rows"] and 0 < len(table) < int(str(facts["members"]))
    assert facts["columns"] == PRESETS[preset].headers and facts["hashed"] == [each.header for each in PRESETS[preset].fields if each.hashed]
    assert (facts["data_date"], facts["audience"], facts["preset"]) == ("2026-07-01", "tents", preset)
    assert facts["bundle"] == next(iter((folder / "bundles").iterdir())).name
    assert sum(json.loads(json.dumps(facts["left_out"])).values()) + len(table) == facts["members"]


def test_the_order_is_the_audiences_and_the_value_is_that_of_the_scores(folder: Path) -> None:
    neutral = read(export(folder, "tents", "jsonl", "--channel", "ads")[0])
    assert neutral["rank"].is_monotonic_increasing and set(neutral["keyword"]) == {"Tents"} and set(neutral["label"]) == {"Tent lovers"}
    scores = pd.read_parquet(next((folder / "scores").iterdir()) / "customers.parquet").set_index("customer_id")["lifetime_value"]
    np.testing.assert_allclose(neutral["lifetime_value"], scores[neutral["customer_id"]], rtol=1e-5)
    assert neutral["show_1_link"].str.startswith("https://shop.example.com/p/").all()
    meta = read(export(folder, "tents", "meta")[0])
    assert meta["value"].astype(float).max() == pytest.approx(neutral["lifetime_value"].max(), abs=0.01)


def test_without_scores_of_the_date_the_value_is_empty_and_that_is_told(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "shop"))
    current = json.loads((copy / "current.json").read_text(encoding="utf-8"))
    (copy / "current.json").write_text(json.dumps({name: current[name] for name in ("tables", "bundle")}), encoding="utf-8")
    result = invoke(copy, "audience", "export", "tents", "--to", "meta", "--csv")
    assert "note: lifetime_value is empty: there are no published scores as of 2026-07-01 with the same bundle; run: whobuys score" in result.stderr
    assert pd.read_csv(copy / "exports" / "tents-2026-07-01-meta.csv")["value"].isna().all()


@pytest.mark.parametrize("channel", ["email", "sms", "ads"])
def test_the_control_group_is_left_out_or_marked_without_contacts(folder: Path, channel: str) -> None:
    members = pd.read_parquet(folder / "members" / "held" / "2026-07-01.parquet").set_index("customer_id")["group"]
    targets = read(export(folder, "held", "parquet", "--channel", channel)[0])
    both = read(export(folder, "held", "parquet", "--channel", channel, "--with-control")[0])
    assert set(members[targets["customer_id"]]) == {"target"} == set(targets["group"])
    assert (members[both["customer_id"]].to_numpy() == both["group"]).all()
    held = both[both["group"] == "control"]
    assert len(held) and held[["email", "phone", "first_name", "last_name", "country"]].isna().all(axis=None)
    assert len(both) == len(held) + len(targets)


def test_a_build_writes_a_manifest_beside_its_file(folder: Path) -> None:
    path = folder / "exports" / "tents-2026-07-01.csv"
    facts = json.loads(path.with_name(f"{path.name}.manifest.json").read_text(encoding="utf-8"))
    assert (facts["sha256"], facts["bytes"], facts["file"]) == (sha256(path), path.stat().st_size, path.name)
    assert facts["rows"] == len(read(path)) <= facts["members"]
    assert (facts["audience"], facts["data_date"]) == ("tents", "2026-07-01") and facts["bundle"] and "@" not in json.dumps(facts)


def test_the_suppression_list_holds_in_every_export(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "shop"))
    people = read(export(copy, "tents", "parquet")[0])
    known = people.dropna(subset=["email"])
    by_id, by_mail = known["customer_id"].iloc[0], known["email"].iloc[1]
    (copy / "suppressed.csv").write_text(f"customer_id;email\n{by_id};\n;{by_mail.upper()}\n", encoding="utf-8")
    gone = {by_id, known["customer_id"].iloc[1]}
    after, facts = export(copy, "tents", "parquet")
    assert set(people["customer_id"]) - set(read(after)["customer_id"]) == gone
    assert json.loads(json.dumps(facts["left_out"]))["on the suppression list"] == 2
    for preset in CLEAR:
        assert not {by_mail, known["email"].iloc[0]} & set(read(export(copy, "tents", preset)[0]).astype(str).to_numpy().ravel())
    run(copy, "audience", "build", "tents", "-o", str(tmp_path / "built.csv"))
    assert not gone & set(pd.read_csv(tmp_path / "built.csv")["customer_id"])
    (copy / "whobuys.toml").write_text('[audiences]\nsuppression = "gone.csv"\n', encoding="utf-8")
    for verb in (("build", "tents"), ("export", "tents", "--to", "meta")):
        assert "gone.csv: this suppression list" in run(copy, "audience", *verb, fails=Refused)


def test_no_formula_runs_in_a_file_for_people_and_no_cell_of_a_tool_is_changed(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "shop"))
    (table,) = (copy / "tables").glob("*/customers.parquet")
    names = 'replace("=HYPERLINK(1)" AS first_name, "+45 20 12 34 56" AS phone, true AS consent_sms, true AS consent_email)'.replace('"', "'")
    duckdb.sql(f"COPY (SELECT * {names} FROM '{table}') TO '{tmp_path}/customers.parquet'")
    table.unlink()
    shutil.move(tmp_path / "customers.parquet", table)
    people = (copy / "exports").joinpath
    for preset in ("csv", "parquet", "klaviyo", "google"):
        export(copy, "tents", preset)
    csv, raw = read(people("tents-2026-07-01-email.csv")), read(people("tents-2026-07-01-email.parquet"))
    assert (set(csv["first_name"]), set(csv["phone"])) == ({"'=HYPERLINK(1)"}, {"+4520123456"})
    assert (set(raw["first_name"]), set(raw["phone"])) == ({"=HYPERLINK(1)"}, {"+4520123456"})
    klaviyo, google = read(people("tents-2026-07-01-klaviyo.csv")), read(people("tents-2026-07-01-google.csv"))
    assert (set(klaviyo["First Name"]), set(klaviyo["Phone Number"])) == ({"HYPERLINK(1)"}, {"+4520123456"})
    assert set(google["Phone"]) == {hashlib.sha256(b"+4520123456").hexdigest()}


@pytest.mark.parametrize(
    "arguments, kind, message",
    [
        ("tents --to klavio", UsageError, "--to klavio: there is no such preset, did you mean 'klaviyo'?"),
        ("tent --to meta", DataError, "there is no audience 'tent', did you mean 'tents'?"),
        ("never-built --to meta", DataError, "never-built: was not built, so it has no members to export; run: whobuys audience build never-built"),
        ("small --to meta", Refused, "small: has "),
        ("empty --to meta", Refused, "empty: has no members as of 2026-07-01, so nothing is exported"),
        (
            "silent --to meta",
            Refused,
            "silent: none of its 20 members may be exported for ads (consent unknown 20); import the column consent_ads, or",
        ),
        ("tents --to meta --channel email", UsageError, "--channel email: meta needs consent for ads; --channel goes with csv, parquet and jsonl"),
        ("tents --to csv --channel fax", UsageError, "--channel fax: there is no such channel; known are: ads, email, sms"),
        ("tents --to meta --with-control", UsageError, "--with-control: meta would write to the control group"),
        ("tents --to meta -o a.parquet", UsageError, "a.parquet: --to meta writes a file that ends with .csv"),
        ("tents --to meta --default-country Atlantis", UsageError, "--default-country: 'Atlantis' is no country"),
        ("tents --to meta --json --csv", UsageError, "--json and --csv exclude each other"),
    ],
)
def test_what_cannot_be_exported(folder: Path, arguments: str, kind: type[WhobuysError], message: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in (folder / "exports").iterdir()}
    assert message in run(folder, "audience", "export", *arguments.split(), fails=kind)
    assert {path: path.stat().st_mtime_ns for path in (folder / "exports").iterdir()} == before


def test_an_audience_that_asks_something_else_by_now_is_built_first(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "shop"))
    text = (copy / AUDIENCES).read_text(encoding="utf-8")
    (copy / AUDIENCES).write_text(text.replace("name: Tent lovers\n", "name: Tent lovers\nexclude: C0000002\n"), encoding="utf-8")
    message = run(copy, "audience", "export", "tents", "--to", "meta", fails=DataError)
    assert "tents: audiences.yaml asks something else now than when it was built as of 2026-07-01; run: whobuys audience build tents" in message
    run(copy, "audience", "build", "tents", "--top", "30")
    assert export(copy, "tents", "meta")[1]["members"] == 31  # and the one included by hand


def test_a_failure_leaves_the_old_file_and_no_part_of_a_new_one(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "out" / "list.csv"
    path, _ = export(folder, "tents", "meta", "-o", str(place))
    before = {each.name: each.read_bytes() for each in place.parent.iterdir()}

    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    assert invoke(folder, "audience", "export", "tents", "--to", "meta", "-o", str(place)).exit_code == 1
    assert {each.name: each.read_bytes() for each in place.parent.iterdir()} == before and set(before) == {path.name, f"{path.name}.manifest.json"}


# tables for dashboards


def test_tables_are_flat_equal_in_both_forms_and_name_nobody(folder: Path, tmp_path: Path) -> None:
    place, database = tmp_path / "bi", tmp_path / "bi.duckdb"
    assert run(folder, "report", "tables", "-o", str(place)).strip() == str(place)
    for _ in range(2):
        run(folder, "report", "tables", "-o", str(database))
    read_tables = {path.stem: pd.read_parquet(path) for path in place.glob("*.parquet")}
    assert set(read_tables) == set(tables.TABLES)
    with duckdb.connect(str(database), read_only=True) as connection:
        kinds = dict(connection.execute("SELECT table_name || '.' || column_name, data_type FROM duckdb_columns() WHERE NOT internal").fetchall())
        assert set(kinds.values()) <= {"VARCHAR", "DOUBLE", "FLOAT", "BIGINT", "INTEGER", "SMALLINT", "TINYINT", "BOOLEAN", "DATE", "TIMESTAMP"}
        assert [name for name, kind in kinds.items() if kind == "TIMESTAMP"] == ["products.created_at"]
        assert {kinds["dates.day"], kinds["customers.next_order_date"], kinds["replenishment.due"]} == {"DATE"}
        counts = {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone() for name in read_tables}
    assert counts == {name: (len(table),) for name, table in read_tables.items()}
    assert not {"email", "phone", "first_name", "last_name", "birth_date", "postal_code", "city"} & {c for t in read_tables.values() for c in t}
    assert {"language", "gender", "country", "likelihood_30", "lifetime_value"} <= set(read_tables["customers"])
    members, audiences = read_tables["members"], read_tables["audiences"]
    assert members.groupby("audience").size().to_dict() == {k: v for k, v in audiences.set_index("audience")["size"].to_dict().items() if v}
    assert {"expected_revenue", "like_1", "reason", "is_vip", "variant", "since"} <= set(members) and members["reason"].notna().all()
    assert set(members["customer_id"]) <= set(read_tables["customers"]["customer_id"])
    dates, shop = read_tables["dates"], Shop.open(folder)
    assert dates["orders"].sum() == shop.orders.count().execute() and dates["day"].is_unique
    assert json.loads((place / "manifest.json").read_text(encoding="utf-8"))["as_of"] == "2026-07-01" == read_tables["about"]["as_of"].item()


def test_tables_replace_tables_only(folder: Path, trained_shop: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("mine", encoding="utf-8")
    with duckdb.connect(str(tmp_path / "mine.duckdb")) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1 AS n")
    for name in ("mine", "mine.duckdb"):
        assert "holds something else than these tables" in run(folder, "report", "tables", "-o", str(tmp_path / name), fails=Refused)
    assert (tmp_path / "mine" / "a.txt").exists()
    assert "name a folder, or a file that ends with .duckdb" in run(folder, "report", "tables", "-o", str(tmp_path / "x.csv"), fails=UsageError)
    assert "nothing was scored here yet" in run(trained_shop, "report", "tables", "-o", str(tmp_path / "new"), fails=DataError)


# the canary


def texts_of(path: Path) -> Iterator[str]:
    """All that can be read in a file: its bytes, and the cells of tables whose bytes are compressed."""
    yield path.read_bytes().decode("latin-1")
    if path.suffix == ".parquet":
        frame = pd.read_parquet(path)
        yield "\n".join(str(value) for column in frame for value in frame[column].dropna().unique())
    if path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as connection:
            for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
                yield connection.execute(f"SELECT * FROM {name}").fetchdf().to_csv()


def test_the_canary_is_in_the_exports_that_need_it_and_in_the_tables_and_nowhere_else(folder: Path, tmp_path: Path) -> None:
    """All that a shop's folder holds, and what is printed (``run``); what MLflow is told is looked through in tests/test_tracking.py."""
    copy = Path(shutil.copytree(folder, tmp_path / "shop"))
    shutil.rmtree(copy / "exports-in")
    shutil.rmtree(copy / "exports")
    files = {preset: export(copy, "tents", preset, "-o", str(copy / "exports" / f"{preset}{PRESETS[preset].ending}"))[0] for preset in PRESETS}
    run(copy, "audience", "build", "tents", "-o", str(copy / "exports" / "built.csv"))
    run(copy, "audience", "preview", "tents")
    run(copy, "report", "customers")
    run(copy, "report", "tables")
    run(copy, "report", "tables", "-o", str(copy / "reports" / "tables.duckdb"))
    found = {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file() and any(CANARY_EMAIL in text for text in texts_of(path))}
    (table,) = (copy / "tables").glob("*/customers.parquet")
    assert found == {f"exports/{preset}{PRESETS[preset].ending}" for preset in CLEAR} | {"exports/built.csv", table.relative_to(copy).as_posix()}
    for preset in ("google", "meta"):
        assert hashlib.sha256(CANARY_EMAIL.encode()).hexdigest() in files[preset].read_text(encoding="utf-8")
