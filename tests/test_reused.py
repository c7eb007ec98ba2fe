"""Published scores answer audiences as the bundle would, and only where they are of the same bundle, date, tables and lifetime value."""

import gc
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
import pandas as pd
import pytest

import features.snapshot
import serving.scores
from features.config import Config
from features.errors import DataError
from features.files import MANIFEST, publish, read_json
from features.products import Catalogue
from features.sections import ScoreSection
from features.snapshot import Snapshot
from models.bundle import Bundle
from models.pairs.interest import Interest
from serving.audiences import evidence_of, members_of, parse_audience
from serving.customers import Customers
from serving.known import recall
from serving.published import open_as_of
from serving.reused import PROBABILITIES, Reused
from serving.scores import score

DAY = "datetime64[s]"
CONFIG = Config(score=ScoreSection(top_per_set=5, top_per_customer=2, product_sets=("category: Tents", "brand: Nordvind")))


@pytest.fixture(scope="module")
def scored(trained_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reused") / "shop"
    shutil.copytree(trained_shop, folder)
    score(folder, config=CONFIG)
    return folder


def test_they_say_what_the_bundle_says(scored: Path) -> None:
    bundle, snapshot = open_as_of(scored, None, bundle=None, memory_limit=None, threads=1)
    reused, catalogue = Reused.of(bundle, snapshot), Catalogue.of(snapshot.shop)
    assert reused is not None
    sets = [catalogue.category("Tents"), catalogue.keyword("ice axe"), catalogue.brand("Nordvind")]
    np.testing.assert_allclose(reused.interest(sets), bundle.interest(snapshot, sets), rtol=1e-5)  # sums of float32 by blocks
    table, columns = Customers.of(bundle, snapshot).table, reused.customers()
    assert list(columns) == ["customer_id", *table]
    ordered = columns.of_customers(table.index[::-1].to_numpy(object))
    for name in map(str, table):
        kind: Any = DAY if table[name].dtype.kind == "M" else table[name].dtype
        pd.testing.assert_series_equal(ordered[name].astype(kind), table[name].iloc[::-1].reset_index(drop=True).astype(kind))
    assert columns.of_customers(np.array(["nobody"], object))["likelihood_30"].isna().all()
    with pytest.raises(KeyError):
        columns["no such column"]


def test_what_is_known_of_customers_is_recalled_to_the_bit(scored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    for anew in (True, False):
        bundle, snapshot = open_as_of(scored, None, bundle=None, memory_limit=None, threads=1, anew=anew)
        catalogue = Catalogue.of(snapshot.shop)
        if not anew:
            for whom, name in ((Snapshot, "matrices"), (features.snapshot, "customer_facts"), (features.snapshot, "all_orders")):
                monkeypatch.setattr(whom, name, lambda *given, **more: pytest.fail("it was worked out again"))
        told.append((bundle.interest(snapshot, [catalogue.keyword("ice axe"), catalogue.brand("Nordvind")]), snapshot.customers()))
    np.testing.assert_array_equal(told[0][0], told[1][0])
    pd.testing.assert_frame_equal(told[0][1], told[1][1])


def test_what_is_known_of_another_day_or_bundle_is_left_and_what_is_damaged_refused(scored: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(scored, tmp_path / "shop"))
    bundle, snapshot = open_as_of(folder, None, bundle=None, memory_limit=None, threads=1, anew=True)
    for other, of in ((replace(bundle, id="another"), snapshot), (bundle, replace(snapshot, as_of=snapshot.as_of - timedelta(days=1)))):
        recall(other, of)
        assert "_facts" not in vars(of)
    kept = next(folder.glob("scores/*/known-1/facts.npy"))
    kept.write_bytes(kept.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match="facts\\.npy: its sha256 does not fit"):
        open_as_of(folder, None, bundle=None, memory_limit=None, threads=1)
    score(folder, config=CONFIG)  # which mends it
    recall(bundle, snapshot)
    assert "_facts" in vars(snapshot)
    model, forgotten = bundle.pair_model, ref(snapshot)
    assert isinstance(model, Interest) and len(model.remembered)
    del snapshot, of
    gc.collect()
    assert forgotten() is None and not len(model.remembered)


def test_an_audience_of_scored_sets_asks_no_model(scored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle, snapshot = open_as_of(scored, None, bundle=None, memory_limit=None, threads=1)
    words = {"audience": "a", "name": "A", "who": [{"interested_in": {"category": "Tents", "top": 50}}, {"lifecycle": ["active", "just ordered"]}]}
    asked = parse_audience(words, source="audiences.yaml")
    alone = replace(evidence_of(bundle, snapshot, Catalogue.of(snapshot.shop)), interest=lambda sets: bundle.interest(snapshot, sets))
    plain = members_of(asked, replace(alone, scored=lambda: Customers.of(bundle, snapshot).table, _kept={}))
    for name in ("interest", "customers"):
        monkeypatch.setattr(Bundle, name, lambda *given: pytest.fail("a model was asked"))
    found = members_of(asked, evidence_of(bundle, snapshot, Catalogue.of(snapshot.shop)))
    pd.testing.assert_frame_equal(found.frame, plain.frame)
    assert len(found)


def test_scores_of_anything_else_are_left(scored: Path, tmp_path: Path) -> None:
    bundle, snapshot = open_as_of(scored, None, bundle=None, memory_limit=None, threads=1)
    assert Reused.of(replace(bundle, id="another"), snapshot) is None
    assert Reused.of(bundle, replace(snapshot, shop=replace(snapshot.shop, tables_id="another"))) is None
    assert Reused.of(bundle.valued(lifetime_days=30, discount_rate=0.0, margin=0.5), snapshot) is None
    assert Reused.of(bundle, replace(snapshot, shop=replace(snapshot.shop, folder=None))) is None
    assert Reused.of(bundle, replace(snapshot, shop=replace(snapshot.shop, folder=tmp_path))) is None


def test_the_sets_with_most_buyers_are_kept(trained_shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(trained_shop, tmp_path / "shop")
    monkeypatch.setattr(serving.scores, "MOST_KEPT", 1)
    scores = score(tmp_path / "shop", config=CONFIG)
    (kept,) = [name for name in read_json(scores.folder / MANIFEST)["files"] if name.startswith(PROBABILITIES)]  # type: ignore[attr-defined]
    most = scores.product_sets.sort_values("expected_buyers")["product_set"].iloc[-1]
    bundle, snapshot = open_as_of(tmp_path / "shop", None, bundle=None, memory_limit=None, threads=1)
    reused = Reused.of(bundle, snapshot)
    assert most == "Nordvind" and reused is not None
    with_one = bundle.interest(snapshot, [Catalogue.of(snapshot.shop).brand("Nordvind")])[:, 0]
    np.testing.assert_allclose(pd.read_parquet(scores.folder / kept)["probability"].to_numpy(), with_one, rtol=1e-5)


def test_a_damaged_file_is_refused(scored: Path, tmp_path: Path) -> None:
    shutil.copytree(scored, tmp_path / "shop")
    bundle, snapshot = open_as_of(tmp_path / "shop", None, bundle=None, memory_limit=None, threads=1)
    reused = Reused.of(bundle, snapshot)
    assert reused is not None
    (reused.folder / "customers.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="sha256 does not fit"):
        reused.customers()
    (reused.folder / "customers.parquet").unlink()
    with pytest.raises(DataError, match="missing"):
        reused.customers()
    publish(tmp_path / "shop", scores="scores/gone")
    with pytest.raises(DataError, match="there is no such file"):
        Reused.of(bundle, snapshot)
