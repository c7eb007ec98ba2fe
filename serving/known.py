"""What every answer begins with is kept beside the scores: the facts and affinities of all customers, as arrays that are read where they lie.

A shop of a million customers then answers about products that nobody scored in seconds: nothing is asked of twenty million lines but those products'.
"""

from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from features.files import MANIFEST, check_file, read_current, read_json
from features.products import Catalogue
from features.snapshot import Snapshot
from models.bundle import Bundle
from models.pairs.interest import Interest
from serving.reused import whose

KNOWN = "known-1"
"""The folder that keeps it. Its number rises whenever the arrays mean something else; other folders are not read."""
OF_SNAPSHOT = ("codes", "facts", "totals", "order", "place")


def hold(bundle: Bundle, snapshot: Snapshot) -> None:
    """Work out the affinities of the snapshot's customers once for all that is asked of the bundle while the snapshot lives."""
    if (model := _that_leans(bundle, snapshot)) is not None:
        found = model.leanings(snapshot, Catalogue.of(snapshot.shop))
        model.remembered[snapshot] = lambda: found


def keep_known(folder: Path, bundle: Bundle, snapshot: Snapshot) -> None:
    """Write what is known of the snapshot's customers into a folder of scores, an array a file."""
    arrays = snapshot.known()
    if (model := _that_leans(bundle, snapshot)) is not None:
        arrays |= model.leanings(snapshot, Catalogue.of(snapshot.shop)).arrays()
    (folder / KNOWN).mkdir()
    for name, values in arrays.items():
        np.save(folder / KNOWN / f"{name}.npy", values, allow_pickle=False)


def recall(bundle: Bundle, snapshot: Snapshot) -> None:
    """Let the bundle and the snapshot take what the published scores know, where these are of both; else nothing happens.

    Raises DataError when a file of it is missing or does not fit its sha256.
    """
    shop = snapshot.shop.folder
    published = read_current(shop).get("scores") if shop is not None else None
    if shop is None or published is None or not (shop / published / KNOWN).is_dir():
        return
    manifest, ours = read_json(shop / published / MANIFEST), whose(bundle, snapshot)
    if any(manifest.get(name) != ours[name] for name in ("as_of", "horizon", "bundle", "tables")):
        return

    def array(name: str) -> NDArray[np.generic]:
        path = check_file(shop / published, f"{KNOWN}/{name}.npy", manifest)
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))

    snapshot.recall({name: array(name) for name in OF_SNAPSHOT})
    if (model := _that_leans(bundle, snapshot)) is not None:
        affinity, catalogue = model.affinity, partial(Catalogue.of, snapshot.shop)  # not the snapshot: it is to be forgotten when nobody holds it
        names = {path.stem for path in (shop / published / KNOWN).glob("*.npy")} - set(OF_SNAPSHOT)
        model.remembered[snapshot] = cache(lambda: affinity.recalled({name: array(name) for name in names}, catalogue()))


def _that_leans(bundle: Bundle, snapshot: Snapshot) -> Interest | None:
    """The model that answers by affinities; None where a rule does, or nothing is known of what was bought."""
    model = bundle.pair_model
    return model if isinstance(model, Interest) and model.rule is None and snapshot.shop.has_lines else None
