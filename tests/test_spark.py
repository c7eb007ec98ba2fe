"""Spark says what DuckDB says: every feature, what is drawn, and the scores of a bundle. Skipped where there is no PySpark or no Java."""

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from features import engines
from features.behaviour import first_order_value, sign_up_behaviour, sign_up_likelihood, sign_ups
from features.behaviour.facts import PARTS, known_of
from features.config import Config, parse_map, with_import
from features.drawn import drawn_codes
from features.files import read_current
from features.imports import import_files
from features.parts import Drawn
from features.products import Catalogue, ProductSet
from features.sections import EngineSection, ScoreSection
from features.shop import CODED_TABLES, Shop
from features.snapshot import Snapshot
from models.pairs.training_sets import main_sets
from serving.reused import Reused
from serving.scores import Scores, score

pytestmark = pytest.mark.skipif(engines.missing() is not None, reason=str(engines.missing()))
QUICK = {
    "spark.master": "local[2]",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.ui.enabled": "false",
}
"""What Spark prepares for large tables takes it longer than these small ones."""
JAVA = '--driver-java-options "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC" --driver-memory 1g pyspark-shell'


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[engines.Engine]:
    """A Spark of two workers on this machine."""
    os.environ.setdefault("PYSPARK_SUBMIT_ARGS", JAVA)
    engine = engines.spark({**QUICK, "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse"))})
    session = engines.session(engine)
    session.sparkContext.setLogLevel("ERROR")
    yield engine
    session.stop()


@pytest.fixture(scope="session")
def both(trained_shop: Path, spark: engines.Engine) -> tuple[Snapshot, Snapshot]:
    """A shop as known a while before its orders end: to DuckDB, and to Spark."""
    return _both(trained_shop, spark)


def _both(folder: Path, spark: engines.Engine) -> tuple[Snapshot, Snapshot]:
    tables = folder / read_current(folder)["tables"]
    shops = Shop.of_tables(tables, engines.duckdb()), Shop.of_tables(tables, spark)
    as_of = shops[0].default_as_of - timedelta(days=40)
    return Snapshot(shops[0], as_of), Snapshot(shops[1], as_of)


def _sets(snapshot: Snapshot) -> list[ProductSet]:
    return [*main_sets(snapshot, Catalogue.of(snapshot.shop), limit=20), ProductSet.of("unknown", ["no such product"])]


def _sorted(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sort_values(list(rows.columns), ignore_index=True)


def _coded(name: str) -> Callable[[Snapshot], pd.DataFrame]:
    return lambda snapshot: _sorted(getattr(snapshot.shop, name).to_pandas())


def _part(part: Callable[[Snapshot], Any]) -> Callable[[Snapshot], pd.DataFrame]:
    return lambda snapshot: known_of(part, snapshot).sort_index()


def _pairs(snapshot: Snapshot) -> tuple[object, ...]:
    found = snapshot.pairs(_sets(snapshot))
    seen = (found.events.keys, found.events.values) if found.events is not None else ()
    return found.keys, found.values, found.set_facts, seen


ASKED: dict[str, Callable[[Snapshot], Any]] = {
    **{name: _coded(name) for name in CODED_TABLES},
    "ids": lambda snapshot: (snapshot.shop.customer_ids, snapshot.shop.product_ids, np.asarray(snapshot.shop.days)),
    "products": lambda snapshot: snapshot.shop.products,
    "customers": lambda snapshot: snapshot.customers(),
    "another horizon": lambda snapshot: snapshot.ahead(90).customers(),
    "pairs": _pairs,
    "facts of sets": lambda snapshot: snapshot.set_facts(_sets(snapshot)),
    "outcome": lambda snapshot: (snapshot.outcome(_sets(snapshot)), snapshot.bought(_sets(snapshot))),
    "volume": lambda snapshot: (snapshot.volume(), snapshot.ordered()),
    "matrix of products": lambda snapshot: snapshot.matrices("product", (None, 90)),
    "matrix of categories": lambda snapshot: snapshot.matrices("category", (None, 90)),
    "matrix of brands": lambda snapshot: snapshot.matrices("brand", (None, 90)),
    **{part.__name__: _part(part) for part in PARTS},
    "sign-ups": lambda snapshot: (sign_ups(snapshot), sign_up_likelihood(snapshot, [30]), sign_up_behaviour(snapshot)),
    "first order": lambda snapshot: np.asarray(first_order_value(snapshot)),
    "drawn": lambda snapshot: [_sorted(getattr(snapshot.shop.drawn(200), name).to_pandas()) for name in CODED_TABLES],
}


def _same(one: object, other: object) -> None:
    assert type(one) is type(other)
    if isinstance(one, (tuple, list)) and isinstance(other, (tuple, list)):
        for each, its in zip(one, other, strict=True):
            _same(each, its)
    elif isinstance(one, pd.DataFrame) and isinstance(other, pd.DataFrame):
        its_own, its_other = (frame.where(frame.notna(), np.nan).infer_objects() for frame in (one, other))  # None where all is unknown
        pd.testing.assert_frame_equal(its_own, its_other, rtol=1e-9, atol=1e-9, check_dtype=False)
    elif isinstance(one, csr_matrix) and isinstance(other, csr_matrix):
        assert one.shape == other.shape
        np.testing.assert_allclose(one.toarray().astype(np.float32), other.toarray().astype(np.float32), rtol=1e-6)
    else:
        values, others = np.asarray(one), np.asarray(other)
        assert values.dtype == others.dtype and (values.dtype != object or values.tolist() == others.tolist())
        if values.dtype != object:
            np.testing.assert_allclose(values, others, rtol=1e-6 if values.dtype == np.float32 else 1e-9)


@pytest.mark.parametrize("name", ASKED)
def test_features_are_the_same(both: tuple[Snapshot, Snapshot], name: str) -> None:
    _same(*map(ASKED[name], both))


CONFIG = Config(
    score=ScoreSection(top_per_set=50, top_per_customer=3, product_sets=("category: Tents", "brand: Nordvind", "keyword: ice axe")),
    engine=EngineSection(name="spark", part=300),
)


@pytest.fixture(scope="module")
def scored(trained_shop: Path, spark: engines.Engine, tmp_path_factory: pytest.TempPathFactory) -> tuple[Scores, Scores]:
    """The scores of one bundle: by DuckDB, and in parts by Spark."""
    folders = [Path(shutil.copytree(trained_shop, tmp_path_factory.mktemp("scored") / name)) for name in engines.ENGINES]
    usual = CONFIG.model_copy(update={"engine": EngineSection()})
    return score(folders[0], config=usual), score(folders[1], config=CONFIG)


def test_scores_are_the_same(scored: tuple[Scores, Scores]) -> None:
    one, other = scored
    assert other.facts["engine"] == {"name": "spark", "parts": 4, "told_by": 1.0}
    _same_scores(one, other)
    for name in ("customers", "limits", "horizon", "tables"):
        assert other.facts[name] == one.facts[name]


def test_customers_are_drawn_by_their_ids(trained_shop: Path, spark: engines.Engine, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained_shop, tmp_path / "shop"))
    whole = Shop.open(folder, engine="spark")
    drawn = Drawn.of(whole, customers=300)
    shop, everybody = drawn.shop(whole, engines.duckdb()), Shop.open(folder)
    ids = everybody.customer_ids[drawn_codes(everybody.customer_ids, 0.3)]
    assert drawn.share == 0.3 and shop.customer_ids.tolist() == ids.tolist() and shop.drawn(300) is shop
    as_of = everybody.default_as_of
    facts, all_facts = Snapshot(shop, as_of).customers(), Snapshot(everybody, as_of).customers()
    pd.testing.assert_frame_equal(facts, all_facts[all_facts.index.isin(ids)])
    written = (drawn.folder / "manifest.json").stat().st_mtime_ns
    assert (Drawn.of(whole, customers=300).folder / "manifest.json").stat().st_mtime_ns == written, "they are kept"


def _same_scores(one: Scores, other: Scores) -> None:
    for name in ("customers", "bests", "interests", "product_sets", "replenishment"):
        pd.testing.assert_frame_equal(getattr(other, name), getattr(one, name), rtol=1e-6, atol=1e-6)


def test_scores_in_parts_are_read_again(scored: tuple[Scores, Scores]) -> None:
    kept = [Reused.of(each.bundle, each.snapshot) for each in scored]
    assert kept[0] is not None and kept[1] is not None
    sets = [Catalogue.of(scored[1].shop).category("Tents")]
    np.testing.assert_allclose(kept[1].interest(sets), kept[0].interest(sets), rtol=1e-6, atol=1e-6)
    assert kept[1].customers().names == kept[0].customers().names


@pytest.mark.proof
def test_online_retail(shared_data: Path, tmp_path: Path, spark: engines.Engine, fit_quickly: Callable[[Path], None]) -> None:
    """The real shop: every feature, and every number of its scores."""
    columns = "order_id=InvoiceNo product_id=StockCode customer_id=CustomerID ordered_at=InvoiceDate price=UnitPrice title=Description"
    imported = with_import(Config(), map=parse_map(columns.split()), cancelled_prefix="C")
    folder = tmp_path / "duckdb"
    import_files(folder, [shared_data / "online_retail/transactions.parquet"], config=imported)
    fit_quickly(folder)
    shutil.copytree(folder, tmp_path / "spark")
    both = _both(folder, spark)
    for asked in ASKED.values():
        _same(*map(asked, both))
    in_parts = Config(engine=EngineSection(name="spark", part=1000))
    _same_scores(score(folder, config=Config()), score(tmp_path / "spark", config=in_parts))
