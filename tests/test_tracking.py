"""A training in MLflow: where runs are kept, what is logged, who is champion, what the logged model answers, and that it knows nobody."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import numpy as np
import pandas as pd
import pytest

from features.errors import DataError
from features.made_up import CANARY_EMAIL, made_up_shop
from features.products import Catalogue
from features.shop import Shop
from features.snapshot import Snapshot
from features.tables import TABLES
from models import metrics
from models.blend import BlendConfig
from models.bundle import Bundle
from models.customers.likelihood import LikelihoodConfig
from models.pairs.affinity import AffinityConfig
from models.pairs.interest import InterestConfig
from models.pairs.training_sets import SetMixture
from training.fits import Fits, Recipe
from training.tracking import (
    Registered,
    Run,
    Version,
    forget,
    log_evaluation,
    log_step,
    log_training,
    mirror_champion,
    registered,
    tracked,
    tracked_week,
)
from training.tracking.answers import KEPT, Answers, store_snapshot
from training.tracking.runs import PERSONAL
from training.tracking.store import Store, load_mlflow

SMALL = Recipe(
    horizon=30,
    origins=1,
    interest=InterestConfig(
        pairs=5000,
        threads=1,
        blend=BlendConfig(trees=5, least_in_leaf=50),
        affinity=AffinityConfig(factors=4, iterations=2, ease_products=50, ease_attributes=50, threads=1),
        mixture=SetMixture(named=20, products=5, random=2),
    ),
    likelihood=LikelihoodConfig(threads=1, blend=BlendConfig(trees=5)),
)


@dataclass(frozen=True)
class Trained:
    """A made-up shop and a bundle that was trained on it, in a folder."""

    shop: Shop
    bundle: Bundle
    folder: Path

    @property
    def snapshot(self) -> Snapshot:
        return Snapshot(self.shop, self.bundle.as_of, self.bundle.horizon)

    def log(self, run: Run, *, bundle: Bundle | None = None) -> Version:
        return run.log_training(
            self.folder,
            bundle or self.bundle,
            self.shop,
            params={"trees": 5, "mixture": {"named": 20}},
            metrics={"ap": 0.25, "new_ap": float("nan")},
            tables={"by_set": pd.DataFrame({"product_set": ["Tents"], "ap": [0.25]})},
            figures={"gain": self.folder.parent / "gain.svg"},
        )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    shop = Shop.of(made_up_shop(scale=0.01, seed=1).tables)
    bundle = Fits(shop, SMALL, lambda _: None).bundle(shop.default_as_of, name="first")
    bundle.save(folder / "bundle")
    (folder / "gain.svg").write_text("<svg/>", encoding="utf-8")
    return Trained(shop, bundle, folder / "bundle")


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without runs, to be copied: MLflow takes seconds to make one."""
    folder = tmp_path_factory.mktemp("store")
    with Store(f"sqlite:///{folder / 'mlflow.db'}").used() as mlflow:
        mlflow.search_experiments()
    return folder / "mlflow.db"


@pytest.fixture
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MLFLOW_") and name != "MLFLOW_DISABLE_TELEMETRY"]:
        monkeypatch.delenv(name)


@pytest.fixture
def folder(tmp_path: Path, empty_store: Path, no_environment: None) -> Path:
    """An empty shop folder."""
    shop = tmp_path / "nordic"
    shop.mkdir()
    shutil.copy(empty_store, shop / "mlflow.db")
    return shop


@pytest.fixture(scope="module")
def logged(trained: Trained, empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop folder in which the training was logged."""
    shop = tmp_path_factory.mktemp("logged") / "nordic"
    shop.mkdir()
    shutil.copy(empty_store, shop / "mlflow.db")
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("MLFLOW_TRACKING_URI", raising=False)
        with tracked(shop) as run:
            trained.log(run)
        mirror_champion(shop, bundle_id="first")
    return shop


@pytest.fixture(scope="module")
def served(logged: Path) -> Iterator[object]:
    """The champion, as MLflow loads it."""
    with Store.of(logged).used() as mlflow:
        yield mlflow.pyfunc.load_model("models:/whobuys-nordic@champion")


def client_of(folder: Path):  # type: ignore[no-untyped-def]
    """MLflow's own view of a shop folder's store."""
    from mlflow import MlflowClient

    uri = f"sqlite:///{folder / 'mlflow.db'}"
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def artifacts(folder: Path, run_id: str, path: str = "") -> set[str]:
    found = client_of(folder).list_artifacts(run_id, path or None)
    return {each.path for each in found}


def test_a_training_is_a_run_a_model_and_its_champion(logged: Path, trained: Trained) -> None:
    client = client_of(logged)
    version = client.get_model_version_by_alias("whobuys-nordic", "champion")
    run = client.get_run(version.run_id)
    facts = {"bundle": "first", "as_of": trained.bundle.as_of.isoformat(), "horizon": "30", "tables": "frames"}
    assert run.info.status == "FINISHED"
    assert run.data.params == {"trees": "5", "mixture": "{'named': 20}"}
    assert run.data.metrics == {"ap": 0.25}
    assert facts.items() <= run.data.tags.items() and facts.items() <= version.tags.items()
    assert {"bundle", "evaluation", "figures"} <= artifacts(logged, run.info.run_id)
    assert artifacts(logged, run.info.run_id, "figures") == {"figures/gain.svg"}
    table = json.loads(Path(client.download_artifacts(run.info.run_id, "evaluation/by_set.json")).read_text(encoding="utf-8"))
    assert table == {"columns": ["product_set", "ap"], "data": [["Tents", 0.25]]}
    assert Bundle.load(Path(client.download_artifacts(run.info.run_id, "bundle"))).id == "first"


def test_everything_is_kept_in_the_shop_folder(logged: Path) -> None:
    assert {path.name for path in logged.iterdir()} == {"mlflow.db", "mlruns"}
    assert client_of(logged).get_experiment_by_name("whobuys-nordic").artifact_location == (logged / "mlruns").as_uri()


def test_the_environment_is_as_before(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = load_mlflow()
    for before in (None, f"sqlite:///{folder / 'mlflow.db'}"):
        if before:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", before)
        with tracked(folder):
            assert mlflow.get_tracking_uri() == f"sqlite:///{folder / 'mlflow.db'}"
        assert os.environ.get("MLFLOW_TRACKING_URI") == before
        assert mlflow.active_run() is None


def test_a_later_training_challenges_until_it_is_published(folder: Path, trained: Trained) -> None:
    second = replace(trained.bundle, id="second")
    with tracked(folder) as run:
        first = trained.log(run)
    mirror_champion(folder, bundle_id="first")
    with tracked(folder) as run:
        other = trained.log(run, bundle=second)
    assert (first.number, first.alias, other.number, other.alias) == ("1", "challenger", "2", "challenger")
    assert registered(folder) == {"first": Registered("1", ("champion",)), "second": Registered("2", ("challenger",))}
    for bundle_id, number in (("second", "2"), ("first", "1")):
        moved = mirror_champion(folder, bundle_id=bundle_id)
        assert moved is not None and moved.number == number
        assert (
            registered(folder)[bundle_id] == Registered(number, ("champion",))
            and not registered(folder)[{"1": "second", "2": "first"}[number]].aliases
        )
    assert mirror_champion(folder, bundle_id="never registered") is None
    assert registered(folder) == {"first": Registered("1", ()), "second": Registered("2", ())}


def test_asking_a_registry_that_was_never_begun_makes_nothing(tmp_path: Path, no_environment: None) -> None:
    assert registered(tmp_path) == {} and mirror_champion(tmp_path, bundle_id="first") is None
    assert list(tmp_path.iterdir()) == []


WORDS = ["category: Tents", "Tents", "brand: Nordvind", "nordvind", "keyword: ice axe", "Keyword:tent"]


def test_the_logged_model_answers_as_the_bundle_does(served: object, trained: Trained) -> None:
    catalogue, customers = Catalogue.of(trained.shop), trained.snapshot.customer_ids[::30][:5]
    expected = trained.bundle.interest(trained.snapshot, [catalogue.called(words) for words in WORDS])[::30][:5]
    rows = pd.DataFrame([(customer, words) for customer in customers for words in WORDS], columns=["customer_id", "product_set"])
    found = served.predict(rows)  # type: ignore[attr-defined]
    assert list(found.columns) == ["probability"]
    np.testing.assert_allclose(found["probability"].to_numpy().reshape(5, len(WORDS)), expected, rtol=1e-6)
    assert len(served.predict(rows[:0])) == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "customers, words, message",
    [
        (["nobody@example.com", "K-unknown", "known"], "Tents", "2 of 3 rows name a customer who had not ordered before"),
        (["known"], "category: Tentz", "there is no category 'Tentz', did you mean 'Tents'"),
        (["known"], "brnd: Nordvind", "'brnd' is no kind of product set, did you mean 'brand'"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(served: object, trained: Trained, customers: list[str], words: str, message: str) -> None:
    from mlflow.exceptions import MlflowException

    asked = [trained.snapshot.customer_ids[0] if each == "known" else each for each in customers]
    with pytest.raises(MlflowException, match=message) as caught:
        served.predict(pd.DataFrame({"customer_id": asked, "product_set": words}))  # type: ignore[attr-defined]
    assert not any(customer in str(caught.value) for customer in asked)


def test_a_training_logs_its_recipe_measures_and_drawings(folder: Path, trained: Trained) -> None:
    facts = {
        "recipe": asdict(SMALL),
        "measures": {"ap": 0.25},
        "learnt": {"interest": {"level": 0.1}},
        "training_dates": ["2025-01-01", "2025-02-01"],
    }
    tables = {"gain": metrics.gain_curve([3, 2, 1], [True, False, False]), "customers": pd.DataFrame({"auc": [0.7]})}
    store_snapshot(trained.snapshot, folder)
    version = log_training(folder, trained.folder, bundle=replace(trained.bundle, facts=facts), tables=tables, name="Bob's shop")
    run = client_of(folder).get_run(version.run_id)
    assert (version.model, version.alias) == ("whobuys-Bob-s-shop", "challenger")
    assert run.data.metrics == {"ap": 0.25, "learnt.interest.level": 0.1}
    tags = client_of(folder).get_model_version(version.model, version.number).tags
    assert (tags["ap"], tags["answers"]) == ("0.2500", "the model") and not {"new_ap", "level"} & set(tags)
    params = {"horizon": "30", "interest.blend.trees": "5", "interest.affinity.factors": "4", "training_dates": "2025-01-01, 2025-02-01"}
    assert params.items() <= run.data.params.items()
    assert run.data.tags["tables"] == "stored"
    assert artifacts(folder, version.run_id, "figures") == {"figures/gain.png", "figures/lift.png", "figures/importance.png"}
    assert artifacts(folder, version.run_id, "evaluation") == {f"evaluation/{name}.json" for name in ("gain", "customers", "importance")}


def test_an_evaluation_is_a_run_of_its_own(folder: Path) -> None:
    tables = {"gain": metrics.gain_curve([3, 2, 1], [True, False, False]), "customers": pd.DataFrame({"auc": [0.7]})}
    facts = {"bundle": "first", "origins": "2025-01-01, 2025-02-01"}
    run_id = log_evaluation(folder, facts=facts, measures={"ap": 0.25, "new_ap": float("nan")}, tables=tables, page="<p>Good.</p>", name="Bob's shop")
    client = client_of(folder)
    run = client.get_run(run_id)
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"ap": 0.25})
    assert {**facts, "kind": "evaluation"}.items() <= run.data.tags.items()
    assert artifacts(folder, run_id) == {"evaluation", "figures", "evaluation.html"}
    assert artifacts(folder, run_id, "figures") == {"figures/gain.png", "figures/lift.png"}
    assert Path(client.download_artifacts(run_id, "evaluation.html")).read_text(encoding="utf-8") == "<p>Good.</p>"
    assert not client.search_registered_models()
    with pytest.raises(ValueError, match="the table who has personal columns: email"):
        log_evaluation(folder, facts={}, measures={}, tables={"who": pd.DataFrame({"email": ["a"]})})


def test_nobody_is_named_in_anything_logged(logged: Path, trained: Trained) -> None:
    people = trained.shop.tables["customers"].to_pandas()
    personal = {str(value) for column in PERSONAL & set(people.columns) - {"created_at"} for value in people[column].dropna() if len(str(value)) > 5}
    assert CANARY_EMAIL in personal and len(personal) > 300
    for path in logged.rglob("*"):
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path)
            assert not personal & {str(value) for column in frame for value in frame[column].dropna().unique()}, path
        elif path.is_file():
            content = path.read_bytes()
            assert b"example.com" not in content and CANARY_EMAIL.encode() not in content, path


@pytest.mark.parametrize("table", KEPT)
def test_a_stored_snapshot_keeps_no_personal_column(table: str, logged: Path) -> None:
    assert not PERSONAL - {"created_at"} & set(KEPT[table])
    stored = pd.read_parquet(next(path for path in logged.rglob(f"{table}.parquet")))
    assert list(stored.columns) == TABLES[table].names
    assert set(stored.columns[stored.notna().any()]) <= set(KEPT[table])


def test_a_stored_snapshot_ends_with_its_date(trained: Trained, tmp_path: Path) -> None:
    early = Snapshot(trained.shop, trained.bundle.as_of - pd.Timedelta(days=200).to_pytimedelta(), 30)
    store_snapshot(early, tmp_path)
    stored = Snapshot(Shop.open(tmp_path), early.as_of, 30)
    assert stored.shop.default_as_of <= early.as_of
    pd.testing.assert_frame_equal(stored.customers(), early.customers())


def test_a_tampered_model_is_not_loaded(logged: Path, tmp_path: Path) -> None:
    parts = next(path.parent for path in logged.rglob("bundle") if (path.parent / "shop").is_dir())
    copy = Path(shutil.copytree(parts, tmp_path / "model"))
    next((copy / "bundle" / "likelihood").iterdir()).write_text("changed", encoding="utf-8")
    with pytest.raises(DataError, match="sha256 does not fit"):
        Answers.load(copy / "bundle", copy / "shop")


def test_a_run_that_mlflow_began_is_continued_in_its_store(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = client_of(folder)
    run_id = client.create_run(client.create_experiment("theirs", artifact_location=(tmp_path / "theirs").as_uri())).info.run_id
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    with tracked(tmp_path / "shop") as run:
        assert run.run_id == run_id
    assert client.get_run(run_id).info.status == "FINISHED"
    assert not (tmp_path / "shop").exists()


def test_what_fails_is_marked_as_failed(folder: Path) -> None:
    with pytest.raises(ZeroDivisionError), tracked(folder):
        raise ZeroDivisionError
    client = client_of(folder)
    runs = client.search_runs([client.get_experiment_by_name("whobuys-nordic").experiment_id])
    assert [run.info.status for run in runs] == ["FAILED"]


def test_a_folder_that_was_moved_keeps_its_files_with_it(folder: Path, trained: Trained) -> None:
    with tracked(folder):
        pass
    moved = folder.rename(folder.with_name("moved"))
    moved_name = "nordic"  # as whobuys.toml would name it
    with tracked(moved, moved_name) as run:
        (moved / "note.txt").write_text("x", encoding="utf-8")
        run.mlflow.log_artifact(str(moved / "note.txt"))
    assert list((moved / "mlruns").rglob("note.txt")) and not folder.exists()


@pytest.mark.parametrize(
    "uri, named",
    [
        ("http://ann:secret@127.0.0.1:{port}", "http://127.0.0.1:{port} does not answer"),
        ("http://127.0.0.1:{port}/mlflow/", "http://127.0.0.1:{port}/mlflow/ does not answer"),
        ("sqlite:///{folder}/broken.db", "sqlite:///{folder}/broken.db refuses"),
        ("sqlite:///{folder}/broken.db/mlflow.db", "sqlite:///{folder}/broken.db/mlflow.db refuses"),
        ("file:///tmp/mlruns-of-old", "file:///tmp/mlruns-of-old refuses"),
    ],
)
def test_a_store_that_is_down_is_named_at_once(uri: str, named: str, tmp_path: Path, no_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.db").write_text("this is no database, whatever its name says", encoding="utf-8")
    port = free_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri.format(port=port, folder=tmp_path))
    with pytest.raises(DataError) as caught, tracked(tmp_path):
        pass
    assert named.format(port=port, folder=tmp_path) in str(caught.value)
    assert "secret" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_table_with_people_is_refused(folder: Path, trained: Trained) -> None:
    with pytest.raises(ValueError, match="the table who has personal columns: email"), tracked(folder) as run:
        run.log_training(
            trained.folder,
            trained.bundle,
            trained.shop,
            params={},
            metrics={},
            tables={"who": pd.DataFrame({"email": ["a"], "ap": [0.1]})},
            figures={},
        )


def test_mlflow_is_loaded_only_when_a_run_is_opened() -> None:
    code = "import sys, training.tracking; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent.parent, check=False).returncode == 0


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.proof
def test_mlflow_serves_the_champion(logged: Path, trained: Trained) -> None:
    port = free_port()
    command = [str(Path(sys.executable).with_name("mlflow")), "models", "serve", "-m", "models:/whobuys-nordic@champion"]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{logged / 'mlflow.db'}"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    customers = [str(each) for each in trained.snapshot.customer_ids[:2]]
    asked = {"dataframe_split": {"columns": ["customer_id", "product_set"], "data": [[each, "category: Tents"] for each in customers]}}
    expected = trained.bundle.interest(trained.snapshot, [Catalogue.of(trained.shop).category("Tents")])[:2, 0]
    server = subprocess.Popen([*command, "--env-manager", "local", "--port", str(port)], env=environment, start_new_session=True)
    try:
        answer = json.loads(ask(f"http://127.0.0.1:{port}/invocations", asked))
    finally:
        os.killpg(server.pid, 15)
        server.wait()
    np.testing.assert_allclose([row["probability"] for row in answer["predictions"]], expected, rtol=1e-6)


def ask(address: str, body: object) -> bytes:
    """The answer of a server that is starting, asked until it is there, for two minutes."""
    until = time.monotonic() + 120
    while True:
        try:
            with urlopen(Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"}), timeout=60) as answer:
                return bytes(answer.read())
        except URLError as error:
            if not isinstance(error.reason, OSError) or time.monotonic() > until:
                raise
            time.sleep(1)


def test_a_week_is_a_run_with_children_and_one_that_was_killed_is_closed(folder: Path) -> None:
    client = client_of(folder)
    with tracked_week(folder) as killed:
        child = client.create_run(client.get_run(killed.run_id).info.experiment_id, tags={"mlflow.parentRunId": killed.run_id})
    client.update_run(killed.run_id, status="RUNNING")
    with tracked_week(folder, "") as week:
        step = log_step(folder, "scoring", facts={"bundle": "first"}, measures={"customers": 3.0})
        with pytest.raises(DataError, match="there is no shop"), tracked(folder):
            raise DataError("there is no shop")
        week.log("weekly", facts={"bundle": "first"}, texts={"run_result.json": "{}"})
    statuses = {run: client.get_run(run).info.status for run in (killed.run_id, child.info.run_id, week.run_id, step)}
    assert list(statuses.values()) == ["KILLED", "KILLED", "FINISHED", "FINISHED"]
    found = client.get_run(step).data
    assert found.tags["mlflow.parentRunId"] == week.run_id and found.tags["kind"] == "scoring" and found.metrics == {"customers": 3.0}
    assert artifacts(folder, week.run_id) == {"run_result.json"} and client.get_run(week.run_id).data.tags["kind"] == "weekly"
    assert load_mlflow().active_run() is None and "MLFLOW_TRACKING_URI" not in os.environ


def test_a_week_that_mlflow_began_has_children_of_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = client_of(folder).create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
    monkeypatch.setenv("MLFLOW_RUN_ID", begun)
    with tracked_week(folder) as week:
        steps = [log_step(folder, kind, facts={}, measures={}) for kind in ("comparison", "scoring")]
    assert week.run_id == begun and len({begun, *steps}) == 3
    assert [client_of(folder).get_run(step).data.tags["mlflow.parentRunId"] for step in steps] == [begun, begun]


def test_what_is_kept_of_removed_bundles_is_removed_but_never_the_champion(folder: Path, trained: Trained) -> None:
    versions = {}
    for name in ("first", "second", "third"):
        with tracked(folder) as run:
            versions[name] = trained.log(run, bundle=replace(trained.bundle, id=name))
    mirror_champion(folder, bundle_id="first")
    for _ in range(2):  # a kill may lie between this and the bundles themselves
        forget(folder, bundles=["first", "second", "never logged"])
    assert set(registered(folder)) == {"first", "third"}
    kept = {name: artifacts(folder, version.run_id) for name, version in versions.items()}
    assert "bundle" not in kept["second"] and {"evaluation", "figures"} <= kept["second"]
    assert "bundle" in kept["first"] and "bundle" in kept["third"]
    assert len(list((folder / "mlruns").rglob("MLmodel"))) == 2
