"""Published scores become answers about every customer, where they are of the same bundle, date and tables: nothing is predicted twice."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.conditions import Columns, Floats
from features.files import MANIFEST, check_files, read_current, read_json
from features.products import ProductSet
from features.snapshot import Snapshot
from models.bundle import Bundle

CUSTOMERS = "customers.parquet"
PROBABILITIES = "probabilities"
MOST_KEPT = 100
"""Product sets of which every customer's probability is kept, those with most buyers expected: 3 MB each for a million customers."""


@dataclass(frozen=True, eq=False)
class Reused:
    """The published scores in ``folder``, which hold what ``bundle`` says of ``snapshot``; ``manifest`` is theirs."""

    folder: Path
    manifest: dict[str, object]
    bundle: Bundle
    snapshot: Snapshot

    @classmethod
    def of(cls, bundle: Bundle, snapshot: Snapshot) -> Self | None:
        """The published scores of the shop; None when there are none of this bundle as it is valued now, of this date and of these tables."""
        shop = snapshot.shop.folder
        published = read_current(shop).get("scores") if shop is not None else None
        if shop is None or published is None:
            return None
        manifest = read_json(shop / published / MANIFEST)
        fits = {name: manifest.get(name) for name in whose(bundle, snapshot)} == whose(bundle, snapshot)
        return cls(shop / published, manifest, bundle, snapshot) if fits else None

    def customers(self) -> Columns:
        """The table of customers, its columns read one by one. Raises DataError when the file is missing or does not fit its sha256."""
        path = check_files(self.folder, CUSTOMERS, self.manifest)
        return Columns(tuple(pq.ParquetDataset(path).schema.names), lambda name: _column(path, name))

    def interest(self, sets: Sequence[ProductSet]) -> Floats:
        """``Bundle.interest`` of the snapshot: sets that were scored are read, the bundle is asked about all others. Raises DataError as both do."""
        known = {one: self._probability(one) for one in sets if self._name(one) in self._kept}
        asked = [one for one in dict.fromkeys(sets) if one not in known]
        known.update(zip(asked, self.bundle.interest(self.snapshot, asked).T if asked else (), strict=True))
        return np.column_stack([known[one] for one in sets])

    @property
    def _kept(self) -> set[str]:
        """The files, or folders of files, of probabilities."""
        files = self.manifest["files"]
        assert isinstance(files, dict)
        return {"/".join(Path(name).parts[:2]) for name in files}

    def _name(self, products: ProductSet) -> str:
        return f"{PROBABILITIES}/{_file_name(products)}"

    def _probability(self, products: ProductSet) -> Floats:
        path = check_files(self.folder, self._name(products), self.manifest)
        return np.asarray(pq.read_table(path)["probability"].to_numpy(), np.float32)


def whose(bundle: Bundle, snapshot: Snapshot) -> dict[str, object]:
    """What scores are of, for their manifest: date, horizon, bundle, how it values customers, and tables."""
    valued = bundle.outlook_model.config if bundle.outlook_model is not None else None
    value = {name: getattr(valued, name) for name in ("lifetime_days", "discount_rate", "margin")} if valued else None
    facts = {"as_of": str(snapshot.as_of), "horizon": bundle.horizon, "bundle": bundle.id, "tables": snapshot.shop.tables_id}
    return {**facts, "lifetime_value": value}


def keep_probability(folder: Path, products: ProductSet, probability: Floats) -> None:
    """Write the probability of every customer to buy from a set into a folder of scores."""
    (folder / PROBABILITIES).mkdir(exist_ok=True)
    table = pa.table({"probability": np.asarray(probability, np.float32)})
    pq.write_table(table, folder / PROBABILITIES / _file_name(products), compression="zstd", use_dictionary=False, use_byte_stream_split=True)


def forget_probability(folder: Path, products: ProductSet) -> None:
    """Remove what ``keep_probability`` wrote."""
    (folder / PROBABILITIES / _file_name(products)).unlink(missing_ok=True)


def _file_name(products: ProductSet) -> str:
    """By the products alone: what a set is called changes nothing."""
    ids = "\n".join(products.product_ids)
    return f"{hashlib.sha256(ids.encode()).hexdigest()[:32]}.parquet"


def _column(path: Path, name: str) -> pd.Series:
    found: pd.Series = pq.read_table(path, columns=[name]).to_pandas(date_as_object=False)[name]
    return found
