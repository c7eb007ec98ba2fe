"""What every model is: fitted on snapshots, asked about a snapshot, kept as arrays and JSON without a pickle."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from features.errors import DataError
from features.snapshot import Snapshot

Floats = NDArray[np.float32]
Arrays = Mapping[str, NDArray[np.generic]]


class Model(Protocol):
    """A model is fitted on snapshots whose outcomes are known, and predicts for a snapshot what comes after it.

    ``fit`` gives back the model itself; the same snapshots, config and seed give the same model.
    ``predict`` gives a frame with a row per customer of the snapshot, index customer_id.
    """

    def fit(self, snapshots: Sequence[Snapshot]) -> Self:
        """Learn from snapshots whose horizon has passed."""
        ...

    def predict(self, snapshot: Snapshot) -> pd.DataFrame:
        """What is expected after the snapshot's date."""
        ...


def log2p(matrix: csr_matrix) -> csr_matrix:
    """log2(1 + x) of the entries."""
    return csr_matrix((np.log2(1 + matrix.data), matrix.indices, matrix.indptr), shape=matrix.shape)


def save_arrays(path: Path, arrays: Arrays) -> None:
    """Write arrays as a compressed npz without objects. Raises ValueError for an array of objects, which could only be pickled."""
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise ValueError(f"{name} holds objects; write text as an array of kind U")
    np.savez_compressed(path, allow_pickle=False, **arrays)


def load_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """Read arrays; nothing in the file is run. Raises DataError when it is damaged or holds objects."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); train again") from None


def sparse_arrays(name: str, matrix: csr_matrix) -> dict[str, NDArray[np.generic]]:
    """The parts of a csr_matrix under names that ``sparse_of`` finds again."""
    return {
        f"{name}.data": matrix.data,
        f"{name}.indices": matrix.indices,
        f"{name}.indptr": matrix.indptr,
        f"{name}.shape": np.asarray(matrix.shape),
    }


def sparse_of(name: str, arrays: Arrays) -> csr_matrix:
    """The csr_matrix that ``sparse_arrays`` took apart."""
    data, indices, indptr = (np.asarray(arrays[f"{name}.{part}"]) for part in ("data", "indices", "indptr"))
    rows, columns = (int(size) for size in np.asarray(arrays[f"{name}.shape"], np.int64))
    parts = (data.astype(np.float32, copy=False), indices.astype(np.int32, copy=False), indptr.astype(np.int32, copy=False))
    return csr_matrix(parts, shape=(rows, columns))
