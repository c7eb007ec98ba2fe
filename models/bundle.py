"""All fitted models of one training become one folder without a pickle, and that folder answers "who will buy these?"."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from features.errors import DataError
from features.files import MANIFEST, check_seal, seal, whole_folder
from features.products import Catalogue, ProductSet
from features.snapshot import Snapshot
from models.base import Floats
from models.customers.likelihood import Likelihood
from models.customers.outlook import Outlook
from models.customers.stretches import LEARNT
from models.customers.volume import Volume
from models.pairs.interest import Interest
from models.pairs.intervals import Spread
from models.pairs.ruled import RULE, RuleAlone

ORIGINS = "origins"
EVALUATION = "evaluation"
FORMAT = 5


@dataclass(frozen=True, eq=False)
class Bundle:
    """The models of one training, which knew everything before ``as_of`` and nothing after.

    ``pair_model`` is None for a shop without order lines. In a shop too young or too small to learn from it is a rule, and ``customer_model`` and
    ``volume_model`` (of the horizon) are None: the ``outlook_model`` (all horizons, value) answers. A fit that is only compared has no outlook.
    ``facts`` are settings, measures and versions, for people and for tracking.
    """

    id: str
    as_of: date
    horizon: int
    pair_model: Interest | RuleAlone | None
    customer_model: Likelihood | None
    volume_model: Volume | None = None
    outlook_model: Outlook | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def has_interest(self) -> bool:
        """Whether the shop's orders told what was bought, so that product sets can be asked for."""
        return self.pair_model is not None

    @property
    def rule(self) -> str | None:
        """The rule, in words, that answers for product sets because past dates did not show that the model is better; None when the model answers."""
        return self.pair_model.rule.meaning if self.pair_model is not None and self.pair_model.rule is not None else None

    @property
    def spread(self) -> Spread:
        """How far the buyers of product sets stray from the sum of their probabilities."""
        return self.pair_model.spread if self.pair_model is not None else Spread()

    def valued(self, *, lifetime_days: int, discount_rate: float, margin: float) -> Self:
        """The same models, with other settings of the lifetime value (of ``OutlookConfig``), which nothing is learnt from."""
        if self.outlook_model is None:
            return self
        config = replace(self.outlook_model.config, lifetime_days=lifetime_days, discount_rate=discount_rate, margin=margin)
        return replace(self, outlook_model=replace(self.outlook_model, config=config))

    def bases(self) -> dict[int, str]:
        """Where the numbers of each horizon come from: learnt, learnt from shorter, or carried on (``models.customers.stretches``)."""
        learnt = self.customer_model is not None
        return self.outlook_model.bases(self.horizon, main=learnt) if self.outlook_model is not None else {self.horizon: LEARNT}

    def interest(self, snapshot: Snapshot, sets: Sequence[ProductSet]) -> Floats:
        """Probability to buy at least one product of the set in ``[as_of, as_of + horizon)`` of the snapshot: float32 customers x sets.

        Rows are ``snapshot.customer_ids``, columns the sets in order. Raises DataError without order lines, ValueError without sets.
        """
        parts = [probabilities for _, _, probabilities in self.interest_blocks(snapshot, sets)]
        if not parts:
            raise ValueError("there are no product sets")
        return np.hstack(parts)

    def interest_blocks(self, snapshot: Snapshot, sets: Sequence[ProductSet]) -> Iterator[tuple[int, int, Floats]]:
        """``interest`` in blocks of sets, in order, so that memory stays bounded: (first, one past the last, customers x sets of the block)."""
        if self.pair_model is None:
            raise DataError("these orders have no lines, so it is not known what was bought; import order lines, then train again")
        self._check(snapshot)
        yield from self.pair_model.blocks(snapshot, sets, Catalogue.of(snapshot.shop))

    def customers(self, snapshot: Snapshot) -> pd.DataFrame:
        """A row for every customer of the snapshot, index customer_id: ``likelihood_<horizon>``, ``expected_orders_<horizon>`` and
        ``expected_products_<horizon>``; with an outlook its columns for all horizons, too."""
        self._check(snapshot)
        own = self._learnt(snapshot)
        if self.outlook_model is None:
            assert own is not None, "a fit has models of its horizon, or an outlook"
            return own
        table = self.outlook_model.predict(snapshot, own)
        return table if own is None else pd.concat([table, own[own.columns.difference(table.columns, sort=False)]], axis=1)

    def _learnt(self, snapshot: Snapshot) -> pd.DataFrame | None:
        if self.customer_model is None:
            return None
        likelihood = self.customer_model.predict(snapshot)
        return likelihood if self.volume_model is None else pd.concat([likelihood, self.volume_model.predict(snapshot)], axis=1)

    def save(self, folder: Path, *, origins: Sequence["Bundle"] = (), tables: dict[str, pd.DataFrame] | None = None) -> None:
        """Write the folder whole: models, ``origins/<date>/`` (fits that knew only what came before), ``evaluation/<table>.parquet``, manifest."""
        with whole_folder(folder) as temporary:
            for origin in origins:
                origin._write(temporary / ORIGINS / origin.as_of.isoformat())
            for name, table in (tables or {}).items():
                (temporary / EVALUATION).mkdir(exist_ok=True)
                table.to_parquet(temporary / EVALUATION / f"{name}.parquet", index=False)
            self._write(temporary)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The bundle in a folder, after every file was compared with its sha256. Raises DataError when missing, changed or of another format."""
        if not (folder / MANIFEST).is_file():
            raise DataError(f"{folder}: there is no bundle here; run: whobuys train")
        manifest = check_seal(folder)
        if manifest.get("format") != FORMAT:
            raise DataError(f"{folder}: is of another version of whobuys (format {manifest.get('format')}, not {FORMAT}); run: whobuys train")
        pair_model = _pair_model(folder / "interest") if (folder / "interest").is_dir() else None
        facts = manifest["facts"]
        assert isinstance(facts, dict)
        as_of = date.fromisoformat(str(manifest["as_of"]))
        customer_model = Likelihood.load(folder / "likelihood") if (folder / "likelihood").is_dir() else None
        volume_model = Volume.load(folder / "volume") if (folder / "volume").is_dir() else None
        outlook_model = Outlook.load(folder / "outlook") if (folder / "outlook").is_dir() else None
        return cls(str(manifest["id"]), as_of, int(str(manifest["horizon"])), pair_model, customer_model, volume_model, outlook_model, facts)

    def _write(self, folder: Path) -> None:
        if self.pair_model is not None:
            self.pair_model.save(folder / "interest")
        if self.customer_model is not None:
            self.customer_model.save(folder / "likelihood")
        if self.volume_model is not None:
            self.volume_model.save(folder / "volume")
        if self.outlook_model is not None:
            self.outlook_model.save(folder / "outlook")
        seal(folder, format=FORMAT, id=self.id, as_of=self.as_of.isoformat(), horizon=self.horizon, facts=self.facts)

    def _check(self, snapshot: Snapshot) -> None:
        if snapshot.horizon != self.horizon:
            raise ValueError(f"the bundle predicts {self.horizon} days, the snapshot is made for {snapshot.horizon}")
        if snapshot.as_of < self.as_of:
            raise DataError(
                f"the bundle {self.id} knew everything before {self.as_of}, so it cannot be asked as of {snapshot.as_of}, which it has seen; "
                f"choose a later date, or train with --as-of {snapshot.as_of}"
            )


def _pair_model(folder: Path) -> Interest | RuleAlone:
    return RuleAlone.load(folder) if (folder / RULE).is_file() else Interest.load(folder)
