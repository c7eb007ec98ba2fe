"""The registry of bundles: what is listed, shown and compared, what is published and rolled back, and which bundles are removed."""

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.error import URLError
from urllib.request import urlopen

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from features.config import Config
from features.files import locked, publications, publish, read_current, seal, write_json
from features.sections import ScoreSection
from models.bundle import Bundle
from models.kept import remove_older
from serving.scores import score
from training.tracking import Registered, log_training, mirror_champion, registered
from whobuys.cli import app

DAY = 24 * 60 * 60
OLD, NEW = "2026-06-01-0000000d", "2026-07-01-0000000e"


def ask(*words: str | Path, shop: Path) -> Result:
    """What ``whobuys model`` answers."""
    return CliRunner().invoke(app, ["model", *map(str, words), "--shop", str(shop)], env={"WHOBUYS_TODAY": "2026-07-01"})


@pytest.fixture(scope="module")
def shelves(trained_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop with three bundles, made in this order: ``OLD``, the trained one, which is published, and ``NEW``."""
    shop = Path(shutil.copytree(trained_shop, tmp_path_factory.mktemp("shelves") / "shop"))
    trained = Bundle.load(shop / str(read_current(shop)["bundle"]))
    recipe = {**trained.facts["recipe"], "origins": 9}
    measures = {**trained.facts["measures"], "ap": 0.5, "level": float("nan")}
    facts = {**trained.facts, "measures": measures, "backtest_dates": ["2026-05-02"], "recipe": recipe, "rule": "recency"}
    replace(trained, id=OLD, as_of=date(2026, 6, 1), facts=facts).save(shop / "bundles" / OLD)
    replace(trained, id=NEW, facts={**trained.facts, "versions": {"whobuys": "9"}}).save(shop / "bundles" / NEW)
    for place, name in enumerate((OLD, trained.id, NEW)):
        os.utime(shop / "bundles" / name / "manifest.json", (1.8e9 + place * DAY,) * 2)
    return shop


@pytest.fixture
def shop(shelves: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may write to."""
    return Path(shutil.copytree(shelves, tmp_path / "shop"))


@pytest.fixture(scope="module")
def trained(shelves: Path) -> str:
    """The id of the published bundle."""
    return Path(str(read_current(shelves)["bundle"])).name


def scored(shop: Path, name: str, *, bundle: str, tables: str | None = None) -> None:
    """Scores without rows, as if a bundle had made them of tables (None: those in use), and published."""
    of = Path(read_current(shop)["tables"]).name if tables is None else tables
    folder = shop / "scores" / name
    folder.mkdir(parents=True)
    (folder / "customers.parquet").write_text("customers", encoding="utf-8")
    seal(folder, as_of=name[:10], bundle=bundle, tables=of)
    publish(shop, scores=f"scores/{name}")


def in_use(shop: Path) -> tuple[str, str | None]:
    """The published bundle and scores."""
    current = read_current(shop)
    return Path(str(current["bundle"])).name, str(current["scores"]).removeprefix("scores/") if "scores" in current else None


def test_bundles_are_listed_the_newest_first(shelves: Path, trained: str) -> None:
    result = ask("list", "--json", shop=shelves)
    rows = json.loads(result.stdout)
    assert result.exit_code == 0 and result.stderr == ""
    assert [(row["bundle"], row["as_of"], row["published"], row["answers"]) for row in rows] == [
        (NEW, "2026-07-01", False, "model"),
        (trained, "2026-07-01", True, "model"),
        (OLD, "2026-06-01", False, "rule"),
    ]
    assert [row["made"] for row in rows][1:] == ["2027-01-16T08:00:00+00:00", "2027-01-15T08:00:00+00:00"]
    assert (rows[2]["ap"], rows[2]["level"], rows[2]["version"], rows[2]["alias"]) == (0.5, None, None, None) and rows[0]["level"] > 0
    frame = pd.read_csv(io.StringIO(ask("list", "--csv", shop=shelves).stdout))
    assert frame.columns.tolist() == list(rows[0]) and frame["bundle"].tolist() == [row["bundle"] for row in rows]
    assert ask("list", shop=shelves).stdout.splitlines()[2].split()[0] == trained


def test_where_nothing_was_trained_the_next_step_is_said(tmp_path: Path) -> None:
    result = ask("list", "--json", shop=tmp_path)
    assert (result.exit_code, json.loads(result.stdout)) == (0, []) and "nothing was trained here yet; run: whobuys train" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_is_shown_in_words_and_as_json(shop: Path, trained: str) -> None:
    scored(shop, f"2026-07-01-{trained}", bundle=trained)
    words = ask("show", shop=shop).stdout
    for said in (
        f"{trained}: published",
        "knows everything before 2026-07-01, predicts the 30 days",
        "learnt from 2026-06-01, 2026-05-02",
        "lightgbm ",
    ):
        assert said in words
    assert f"scores made by it: 2026-07-01-{trained}" in words and "settings interest.blend: " in words and "expected for 100 that came" in words
    found = json.loads(ask("show", "--json", shop=shop).stdout)
    assert (found["bundle"], found["published"], found["scores"], found["rule"]) == (trained, True, [f"2026-07-01-{trained}"], None)
    assert found["recipe"]["horizon"] == 30 and found["backtest_dates"] == ["2026-06-01"] and len(found["published_at"]) == 1
    old = json.loads(ask("show", OLD, "--json", shop=shop).stdout)
    assert (old["published"], old["scores"], old["rule"], old["measures"]["level"], old["published_at"]) == (False, [], "recency", None, [])
    assert "a rule answers for product sets: recency" in ask("show", OLD, shop=shop).stdout


def test_bundles_are_compared(shelves: Path, trained: str) -> None:
    found = json.loads(ask("compare", OLD, "--json", shop=shelves).stdout)
    assert (found["first"], found["second"]) == (OLD, trained)
    settings = {row["setting"]: (row["first"], row["second"]) for row in found["settings"]}
    assert settings == {"as_of": ("2026-06-01", "2026-07-01"), "origins": ("9", "2"), "backtest_dates": ("2026-05-02", "2026-06-01")}
    ap = next(row for row in found["measures"] if row["measure"] == "ap")
    assert ap["first"] == 0.5 and ap["difference"] == pytest.approx(0.5 - ap["second"], abs=1e-5)
    assert found["note"].startswith("backtests of 2026-05-02 and 2026-06-01: what their measures differ by is no fair comparison")
    frame = pd.read_csv(io.StringIO(ask("compare", OLD, "--csv", shop=shelves).stdout))
    assert frame.columns.tolist() == ["kind", "name", "first", "second", "difference"] and set(frame["kind"]) == {"setting", "measure"}
    table = ask("compare", OLD, trained, shop=shelves)
    assert "origins" in table.stdout and OLD in table.stdout and "no fair comparison" in table.stderr
    same = ask("compare", NEW, shop=shelves)
    assert "version of whobuys" in same.stdout and same.exit_code == 0 and "fair comparison" not in same.stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["show", "2026-06-01-0000000f"], 1, f"there is no bundle '2026-06-01-0000000f', did you mean '{OLD}'?"),
        (["promote", "x"], 1, "there is no bundle 'x'; known are: "),
        (["promote", ".."], 1, "there is no bundle '..'"),
        (["compare", OLD, OLD], 2, f"{OLD}: is compared with itself; name another bundle beside it"),
        (["compare", "TRAINED"], 2, "is compared with itself, as it is the published one"),
        (["list", "--json", "--csv"], 2, "--json and --csv exclude each other"),
        (["rollback"], 1, "no bundle was in use before the present one; publish another of whobuys model list"),
        (["promote"], 2, "Missing argument"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(shelves: Path, trained: str, words: Sequence[str], code: int, message: str) -> None:
    before = [(shelves / name).read_bytes() for name in ("current.json", "published.json")]
    result = ask(*[trained if word == "TRAINED" else word for word in words], shop=shelves)
    assert (result.exit_code, message in result.stderr) == (code, True), result.output
    assert [(shelves / name).read_bytes() for name in ("current.json", "published.json")] == before


def test_a_damaged_bundle_is_not_published(shop: Path, trained: str) -> None:
    (shop / "bundles" / NEW / "likelihood").rename(shop / "bundles" / NEW / "gone")
    result = ask("promote", NEW, shop=shop)
    assert result.exit_code == 1 and "is named in the manifest but missing" in result.stderr and in_use(shop) == (trained, None)


def test_nothing_is_published_while_another_run_writes(shop: Path, trained: str) -> None:
    with locked(shop):
        for words in (["promote", NEW], ["rollback"]):
            result = ask(*words, shop=shop)
            assert result.exit_code == 4 and "another whobuys run is writing" in result.stderr
    assert in_use(shop) == (trained, None)


def test_promoted_with_its_scores_and_rolled_back_to_those_before(shop: Path, trained: str) -> None:
    """Scores of other tables, of another bundle and damaged ones are not published with it; rolled back is what was in use then."""
    scored(shop, "2026-07-01-t", bundle=trained)
    first = ask("promote", NEW, shop=shop)
    assert (first.stdout, in_use(shop)) == (f"{NEW}\n", (NEW, "2026-07-01-t"))
    assert f"published {NEW} in place of {trained}" in first.stderr and f"are still those of {trained}; next: whobuys score" in first.stderr
    scored(shop, "2026-07-01-n", bundle=NEW)
    again = ask("promote", NEW, shop=shop)
    assert again.exit_code == 0 and f"{NEW} is published already; nothing was changed" in again.stderr and in_use(shop) == (NEW, "2026-07-01-n")

    back = ask("rollback", shop=shop)
    assert (back.stdout, in_use(shop)) == (f"{trained}\n", (trained, "2026-07-01-t"))
    assert f"published {trained} in place of {NEW}" in back.stderr and "with it scores/2026-07-01-t" in back.stderr
    assert f"forward again: whobuys model promote {NEW}" in back.stderr
    assert "no bundle was in use before" in ask("rollback", shop=shop).stderr

    scored(shop, "2026-07-02-other", bundle=NEW, tables="of before")
    scored(shop, "2026-06-30-early", bundle=NEW)
    scored(shop, "2026-07-03-damaged", bundle=NEW)
    (shop / "scores" / "2026-07-03-damaged" / "customers.parquet").write_text("other", encoding="utf-8")
    publish(shop, scores="scores/2026-07-01-t")
    forward = ask("promote", NEW, shop=shop)
    assert in_use(shop) == (NEW, "2026-07-01-n") and "these scores are left out: " in forward.stderr and "sha256 does not fit" in forward.stderr


@pytest.mark.parametrize(
    ("lost", "scores", "said"),
    [
        ((), "2026-07-01-t", "with it scores/2026-07-01-t"),
        (("2026-07-01-t",), "2026-06-30-t", "with it scores/2026-06-30-t"),
        (("2026-07-01-t", "2026-06-30-t"), "2026-07-01-n", f"the scores in use are still those of {NEW}; next: whobuys score"),
    ],
)
def test_rolled_back_though_its_scores_are_gone(shop: Path, trained: str, lost: Sequence[str], scores: str, said: str) -> None:
    for name in ("2026-06-30-t", "2026-07-01-t"):
        scored(shop, name, bundle=trained)
    publish(shop, bundle=f"bundles/{NEW}")
    scored(shop, "2026-07-01-n", bundle=NEW)
    for name in lost:
        shutil.rmtree(shop / "scores" / name)
    result = ask("rollback", shop=shop)
    assert result.exit_code == 0 and in_use(shop) == (trained, scores) and said in result.stderr


def test_scores_that_a_rollback_needs_are_kept(shop: Path, trained: str) -> None:
    for name in ("2026-06-30-t", "2026-07-01-t"):
        scored(shop, name, bundle=trained)
    publish(shop, bundle=f"bundles/{NEW}")
    made = score(shop, config=Config(score=ScoreSection(keep=1, product_sets=("category: Tents",))))
    assert sorted(path.name for path in (shop / "scores").iterdir()) == sorted(["2026-07-01-t", made.folder.name])
    assert ask("rollback", shop=shop).exit_code == 0 and in_use(shop) == (trained, "2026-07-01-t")


def test_rolled_back_scores_of_older_orders_are_called_so(shop: Path, trained: str) -> None:
    scored(shop, "2026-07-01-t", bundle=trained, tables="of before")
    publish(shop, bundle=f"bundles/{NEW}")
    assert "with it scores/2026-07-01-t; orders were imported since: whobuys score makes new ones" in ask("rollback", shop=shop).stderr


def test_rolled_back_as_far_as_is_remembered(shop: Path, trained: str) -> None:
    for name in (NEW, OLD, NEW, trained):
        assert ask("promote", name, shop=shop).exit_code == 0
    assert [Path(each.bundle).name for each in publications(shop)] == [trained, NEW, OLD, NEW, trained]
    for name in (NEW, OLD, NEW, trained):
        assert ask("rollback", shop=shop).stdout == f"{name}\n"
    assert ask("rollback", shop=shop).exit_code == 1


def test_a_bundle_that_is_gone_is_not_rolled_back_to(shop: Path) -> None:
    publish(shop, bundle=f"bundles/{NEW}")
    publish(shop, bundle=f"bundles/{OLD}")
    shutil.rmtree(shop / "bundles" / NEW)
    result = ask("rollback", shop=shop)
    assert result.exit_code == 1 and f"there is no bundle '{NEW}'" in result.stderr and in_use(shop) == (OLD, None)


def shelf(shop: Path, ages: dict[str, int]) -> Path:
    """A shop folder with empty bundles of these ages in days."""
    for name, days in ages.items():
        folder = shop / "bundles" / name
        folder.mkdir(parents=True)
        seal(folder, id=name)
        os.utime(folder / "manifest.json", (1.8e9 - days * DAY,) * 2)
    return shop


@pytest.mark.parametrize(
    ("keep", "keep_days", "published", "scored", "stay"),
    [
        (8, 0, "e", [], "abcdef"),
        (2, 0, "a", [], "ab"),
        (2, 21, "a", [], "abcd"),
        (1, 6, "a", [], "a"),
        (1, 7, "a", [], "ab"),
        (1, 0, "f", [], "af"),
        (1, 0, "fea", [], "ae"),
        (1, 0, "fa", ["d", "b", "gone"], "abdf"),
        (1, 0, "", ["d"], "ad"),
    ],
)
def test_bundles_beyond_the_count_and_older_than_the_days_are_removed(
    tmp_path: Path, keep: int, keep_days: int, published: str, scored: list[str], stay: str
) -> None:
    shop = shelf(tmp_path, {name: 7 * place for place, name in enumerate("abcdef")})
    for name in published:
        publish(shop, bundle=f"bundles/{name}")
    for name in scored:
        write_json(shop / "scores" / f"of-{name}" / "manifest.json", {"bundle": name})
    removed = remove_older(shop, keep=keep, keep_days=keep_days)
    assert sorted(removed) == sorted(set("abcdef") - set(stay))
    assert sorted(path.name for path in (shop / "bundles").iterdir()) == sorted(stay)


@pytest.mark.parametrize("kill", range(4))
def test_a_kill_leaves_no_bundle_half_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill: int) -> None:
    import shutil

    shop, calls, rmtree = shelf(tmp_path, {name: 7 * place for place, name in enumerate("abcd")}), iter(range(9)), shutil.rmtree

    def killed(path: Path, *, ignore_errors: bool) -> None:
        if next(calls) == kill:
            raise KeyboardInterrupt
        rmtree(path, ignore_errors=ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", killed)
    try:
        remove_older(shop, keep=1, keep_days=0)
    except KeyboardInterrupt:
        whole = [path for path in (shop / "bundles").glob("[!.]*") if (path / "manifest.json").is_file()]
        assert whole == list((shop / "bundles").glob("[!.]*")) and len(whole) == 3 - kill
    remove_older(shop, keep=1, keep_days=0)
    assert [path.name for path in (shop / "bundles").iterdir()] == ["a"]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(server: subprocess.Popen[bytes], address: str) -> None:
    """Until a server that is starting answers, for two minutes."""
    until = time.monotonic() + 120
    while True:
        assert server.poll() is None and time.monotonic() < until, f"{address} does not come up"
        with suppress(URLError, OSError), urlopen(f"{address}/health", timeout=5):
            return
        time.sleep(0.2)


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real tracking server with a store of its own."""
    folder, port = tmp_path_factory.mktemp("tracking"), free_port()
    places = ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--artifacts-destination", str(folder / "artifacts")]
    command = [sys.executable, "-m", "mlflow", "server", *places, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, env={**os.environ, "PATH": path}, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(server, f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, 9)
        server.wait()


def test_a_tracking_server_knows_what_is_in_use(shop: Path, trained: str, tracking: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking)
    few = "[train]\norigins = 1\nbacktest_origins = 1\n[model]\ntrees = 5\n[customers]\nhorizons = [30]\n"
    (shop / "whobuys.toml").write_text(few, encoding="utf-8")
    folder = shop / "bundles" / trained
    log_training(shop, folder, bundle=Bundle.load(folder), tables={})
    mirror_champion(shop, bundle_id=trained)
    result = CliRunner().invoke(app, ["train", "--shop", str(shop), "--threads", "1"], env={"WHOBUYS_TODAY": "2026-07-01"})
    made = result.stdout.strip()
    assert result.exit_code == 0 and in_use(shop) == (trained, None), result.output
    assert registered(shop) == {trained: Registered("1", ("champion",)), made: Registered("2", ("challenger",))}

    assert "version 2 is the champion in MLflow" in ask("promote", made, shop=shop).stderr
    assert registered(shop) == {trained: Registered("1", ()), made: Registered("2", ("champion",))}
    assert "version 1 is the champion in MLflow" in ask("rollback", shop=shop).stderr
    assert registered(shop) == {trained: Registered("1", ("champion",)), made: Registered("2", ())}
    assert "nobody is the champion there" in ask("promote", OLD, shop=shop).stderr
    assert registered(shop) == {trained: Registered("1", ()), made: Registered("2", ())}
    listed = ask("list", "--json", shop=shop)
    rows = {row["bundle"]: (row["version"], row["alias"]) for row in json.loads(listed.stdout)}
    assert rows == {made: (2, None), trained: (1, None), OLD: (None, None), NEW: (None, None)}
    assert f"MLflow calls nobody the champion, in use is {OLD}; to set it right: whobuys model promote {OLD}" in listed.stderr

    from mlflow import MlflowClient

    tags = MlflowClient(tracking_uri=tracking).get_model_version("whobuys-shop", "2").tags
    facts = json.loads(ask("show", made, "--json", shop=shop).stdout)
    assert {name: tags[name] for name in ("bundle", "as_of", "horizon", "tables", "answers")} == {
        "bundle": made,
        "as_of": "2026-07-01",
        "horizon": "30",
        "tables": facts["tables"],
        "answers": "a rule" if facts["rule"] else "the model",
    }
    assert float(tags["ap"]) == pytest.approx(facts["measures"]["ap"], abs=1e-4) and {"whobuys", "level", "likelihood_auc"} <= set(tags)
    assert not (shop / "mlflow.db").exists() and not (shop / "mlruns").exists()


@pytest.mark.parametrize("words", [["model", "promote", NEW], ["model", "rollback"], ["train"]])
def test_a_tracking_server_that_is_down_stops_it_before_anything_changed(shop: Path, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    publish(shop, bundle=f"bundles/{OLD}")
    before = {path: path.read_bytes() for path in shop.rglob("*") if path.is_file()}
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    result = CliRunner().invoke(app, [*words, "--shop", str(shop)], env={"WHOBUYS_TODAY": "2026-07-01"})
    assert result.exit_code == 1 and "does not answer" in result.stderr and "unset MLFLOW_TRACKING_URI" in result.stderr
    assert {path: path.read_bytes() for path in shop.rglob("*") if path.is_file()} == before


def test_bundles_are_listed_though_the_tracking_server_is_down(shelves: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    for words in (["list", "--json"], ["show", "--json"]):
        result = ask(*words, shop=shelves)
        assert result.exit_code == 0 and json.loads(result.stdout) and "note: aliases and versions are left out: the MLflow tracking" in result.stderr


class Failing(BaseHTTPRequestHandler):
    """A tracking server that is healthy and refuses everything."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200 if self.path == "/health" else 400)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_a_tracking_server_that_fails_in_between_leaves_the_bundle_in_use(shop: Path, trained: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Failing) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}")
        result = ask("promote", NEW, shop=shop)
        server.shutdown()
    assert result.exit_code == 1 and f"{NEW} is published, but MLflow does not call it champion yet: " in result.stderr
    assert result.stderr.strip().endswith(f"then: whobuys model promote {NEW}")
    assert in_use(shop) == (NEW, None) and [Path(each.bundle).name for each in publications(shop)] == [trained, NEW]
