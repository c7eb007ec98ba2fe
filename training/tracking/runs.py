"""A training becomes an MLflow run with its parameters, measures, drawings and bundle, and a version of the shop's registered model;
an evaluation becomes a run with its measures, tables, drawings and page, a tuning one with its trials."""

import io
import json
import math
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, redirect_stderr
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

import pandas as pd

from features.shop import Shop
from features.snapshot import Snapshot
from features.tables import CUSTOMERS
from models.bundle import Bundle
from training.tracking.store import EXPERIMENT, RUN_ID, Store

CHAMPION, CHALLENGER = "champion", "challenger"
MAIN = ("ap", "new_ap", "lift_5", "level", "likelihood_auc", "likelihood_level")
"""The measures that are tags of a version, so that the registry shows versions beside each other."""
PERSONAL = frozenset(CUSTOMERS.names) - {"customer_id", "country", "language", "gender"}
SERVED = Path(__file__).with_name("served.py")


@dataclass(frozen=True)
class Version:
    """A version of the shop's registered model: its number, its alias, and the run that made it."""

    model: str
    number: str
    alias: str
    run_id: str


@dataclass(frozen=True)
class Run:
    """One run that is open. Made by ``tracked``."""

    mlflow: ModuleType
    store: Store
    model: str
    run_id: str

    def log_training(
        self,
        bundle_folder: Path,
        bundle: Bundle,
        shop: Shop,
        *,
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        tables: Mapping[str, pd.DataFrame],
        figures: Mapping[str, Path],
    ) -> Version:
        """Log everything of one training and register its model as challenger: the champion is who was published (``mirror_champion``).

        ``tables`` become evaluation/<name>.json, ``figures`` (files) figures/<name><suffix>, the bundle the artifact bundle/.
        Raises ValueError for a table with a personal column, DataError when the store refuses.
        """
        facts = facts_of(bundle, shop)
        with self.store.asked():
            self.mlflow.set_tags({**facts, "kind": "training"})
            self.mlflow.log_params({name: str(value) for name, value in params.items()})
            self._log_measures(metrics)
            self._log_files(tables, figures)
            self.mlflow.log_artifacts(str(bundle_folder), "bundle")
            return self._register(bundle, shop, facts=facts)

    def log(
        self,
        kind: str,
        *,
        facts: Mapping[str, str],
        params: Mapping[str, object] | None = None,
        measures: Mapping[str, float] | None = None,
        tables: Mapping[str, pd.DataFrame] | None = None,
        figures: Mapping[str, Path] | None = None,
        texts: Mapping[str, str] | None = None,
    ) -> None:
        """Log what is no training: ``facts`` as tags beside ``kind``, ``tables`` and ``figures`` as of a training, ``texts`` by the names of their
        files.

        Raises ValueError for a table with a personal column, DataError when the store refuses.
        """
        with self.store.asked():
            self.mlflow.set_tags({**facts, "kind": kind, "whobuys": code_version()})
            self.mlflow.log_params({name: str(value) for name, value in (params or {}).items()})
            self._log_measures(measures or {})
            self._log_files(tables or {}, figures or {})
            for name, content in (texts or {}).items():
                self.mlflow.log_text(content, name)

    def _log_measures(self, measures: Mapping[str, float]) -> None:
        self.mlflow.log_metrics({name: float(value) for name, value in measures.items() if math.isfinite(value)})

    def _log_files(self, tables: Mapping[str, pd.DataFrame], figures: Mapping[str, Path]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for name, table in tables.items():
                _refuse_personal(name, table)
                content = {
                    "columns": [str(column) for column in table.columns],
                    "data": json.loads(table.to_json(orient="values", date_format="iso")),
                }
                (Path(folder) / f"{name}.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
            if tables:
                self.mlflow.log_artifacts(folder, "evaluation")
        for name, figure in figures.items():
            with tempfile.TemporaryDirectory() as folder:
                copy = Path(folder) / f"{name}{figure.suffix}"
                copy.write_bytes(figure.read_bytes())
                self.mlflow.log_artifact(str(copy), "figures")

    def _register(self, bundle: Bundle, shop: Shop, *, facts: Mapping[str, str]) -> Version:
        with tempfile.TemporaryDirectory() as folder, redirect_stderr(io.StringIO()):  # MLflow prints there what it is doing
            number = str(self._logged_model(bundle, shop, Path(folder)).registered_model_version)
        client = self.mlflow.MlflowClient()
        for name, value in facts.items():
            client.set_model_version_tag(self.model, number, name, value)
        client.set_registered_model_alias(self.model, CHALLENGER, number)
        return Version(self.model, number, CHALLENGER, self.run_id)

    def _logged_model(self, bundle: Bundle, shop: Shop, folder: Path):  # type: ignore[no-untyped-def]  # MLflow ships no types
        """The model from code, with a bundle without its origins, and the snapshot; all that MLflow would infer is given."""
        from training.tracking.answers import store_snapshot

        bundle.save(folder / "bundle")
        store_snapshot(Snapshot(shop, bundle.as_of, bundle.horizon), folder / "shop")
        schema, column = self.mlflow.types.Schema, self.mlflow.types.ColSpec
        return self.mlflow.pyfunc.log_model(
            name="model",
            python_model=str(SERVED),
            artifacts={name: str(folder / name) for name in ("bundle", "shop")},
            signature=self.mlflow.models.ModelSignature(
                inputs=schema([column("string", "customer_id"), column("string", "product_set")]), outputs=schema([column("double", "probability")])
            ),
            pip_requirements=[f"whobuys=={code_version()}"],
            registered_model_name=self.model,
        )


@contextmanager
def tracked(shop_folder: Path, name: str = "") -> Iterator[Run]:
    """Open a run for a training of the shop called ``name`` (empty: as its folder); begin with it, so that a store that is down is known at once.

    A run that ``mlflow run`` began is continued in its store; one that is opened inside another is its child. Whatever is raised inside marks the
    run as failed.
    Raises DataError naming the store when it does not answer or refuses.
    """
    store = Store.of(shop_folder)
    store.reach()
    model = model_name(shop_folder, name)
    with store.used() as mlflow:
        with store.asked():
            outer = mlflow.active_run()
            experiment = outer.info.experiment_id if outer else _experiment(mlflow, store, model)
            with _unseen(RUN_ID):  # MLflow would continue that run a second time, in the place of a child
                run = mlflow.start_run(run_id=None if outer else store.run_id, experiment_id=experiment, nested=outer is not None)
        with _ended(store, run):
            yield Run(mlflow, store, model, str(run.info.run_id))


@contextmanager
def _ended(store: Store, run: AbstractContextManager[object]) -> Iterator[None]:
    """End the run; where the store cannot even note that it failed, as on a full disk, what was raised inside is told and not that."""
    from mlflow.exceptions import MlflowException

    raised: BaseException | None = None
    try:
        with run:
            try:
                yield
            except BaseException as error:
                raised = error
                raise
    except MlflowException:
        if raised is not None:
            raise raised from None
        with store.asked():
            raise


@contextmanager
def _unseen(variable: str) -> Iterator[None]:
    kept = os.environ.pop(variable, None)
    try:
        yield
    finally:
        if kept is not None:
            os.environ[variable] = kept


def model_name(shop_folder: Path, name: str = "") -> str:
    """What the shop's model is called in the registry: letters, digits, dots and hyphens.

    >>> model_name(Path("/shops/nordic"), ""), model_name(Path("/shops/nordic"), "Bob's: Boots/Boats")
    ('whobuys-nordic', 'whobuys-Bob-s-Boots-Boats')
    """
    shown = re.sub(r"[^\w.]+", "-", name.strip() or shop_folder.resolve().name).strip("-")
    return f"whobuys-{shown or 'shop'}"


def facts_of(bundle: Bundle, shop: Shop) -> dict[str, str]:
    """The tags of a run and a version: what was trained, on which tables, by which code, what answers, and the main measures of its backtest."""
    measures = bundle.facts.get("measures", {})
    return {
        "bundle": bundle.id,
        "as_of": bundle.as_of.isoformat(),
        "horizon": str(bundle.horizon),
        "tables": shop.tables_id or "frames",
        "whobuys": code_version(),
        "answers": "a rule" if bundle.rule else "the model",
        **{name: f"{measures[name]:.4f}" for name in MAIN if math.isfinite(measures.get(name, math.nan))},
    }


def code_version() -> str:
    """The version of whobuys that runs, or 0 when it is not installed."""
    try:
        return version("whobuys")
    except PackageNotFoundError:
        return "0"


def _experiment(mlflow: ModuleType, store: Store, name: str) -> str | None:
    """The experiment of the shop; None where a run or the environment has chosen one.

    An experiment keeps for good where its files go: a shop folder that was moved gets a new one.
    """
    if store.run_id or any(os.environ.get(variable) for variable in EXPERIMENT):
        return None
    for candidate in (name, f"{name} in {store.artifacts}"):
        found = mlflow.get_experiment_by_name(candidate)
        if found is None:
            return str(mlflow.create_experiment(candidate, artifact_location=store.artifacts))
        if store.artifacts is None or found.artifact_location == store.artifacts:
            return str(found.experiment_id)
    raise AssertionError("the second name holds the place itself")


def _refuse_personal(name: str, table: pd.DataFrame) -> None:
    personal = sorted(PERSONAL & {str(column) for column in table.columns})
    if personal:
        raise ValueError(f"the table {name} has personal columns: {', '.join(personal)}")
