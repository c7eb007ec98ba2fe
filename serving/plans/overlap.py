"""Answers to several audiences become what they have in common: shares of members, and Jaccard."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from features.conditions import Evidence
from serving.audiences.members import Members, places


@dataclass(frozen=True, eq=False)
class Overlap:
    """``both``: how many customers are members of the audience of the row and of that of the column (``names`` by ``names``); the diagonal is the
    sizes. ``anybody``: how many are in at least one of them."""

    names: tuple[str, ...]
    both: NDArray[np.int64]
    anybody: int

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Members of each."""
        return np.diag(self.both)

    @property
    def share(self) -> pd.DataFrame:
        """The part, 0 to 1, of the row's members who are in the column's audience, too; 0 for one without members."""
        return self._frame(self.both / np.maximum(self.sizes, 1)[:, None])

    @property
    def jaccard(self) -> pd.DataFrame:
        """Those in both over those in either, 0 to 1 (Jaccard 1912); 0 for two without members."""
        either = self.sizes[:, None] + self.sizes[None, :] - self.both
        return self._frame(self.both / np.maximum(either, 1))

    def pairs(self) -> pd.DataFrame:
        """A row per pair, most in common first: audience, other, both, share (of the first), share_of_other, jaccard."""
        first, second = np.triu_indices(len(self.names), k=1)
        names, share = np.asarray(self.names, dtype=object), self.share.to_numpy()
        found = pd.DataFrame(
            {
                "audience": names[first],
                "other": names[second],
                "both": self.both[first, second],
                "share": share[first, second],
                "share_of_other": share[second, first],
                "jaccard": self.jaccard.to_numpy()[first, second],
            }
        )
        return found.sort_values(["jaccard", "audience", "other"], ascending=[False, True, True], ignore_index=True)

    def _frame(self, values: NDArray[np.float64]) -> pd.DataFrame:
        return pd.DataFrame(values, index=pd.Index(self.names, name="audience"), columns=list(self.names))


def membership(answers: Sequence[Members], evidence: Evidence) -> csr_matrix:
    """Who is in what: audiences x customers of the evidence, 1 for members."""
    placed = [places(each, evidence) for each in answers]
    rows = np.repeat(np.arange(len(placed)), [len(each) for each in placed])
    columns = np.concatenate([*placed, np.zeros(0, np.intp)])
    return csr_matrix((np.ones(len(rows), np.int64), (rows, columns)), shape=(len(answers), len(evidence.codes)))


def overlap(answers: Sequence[Members], evidence: Evidence) -> Overlap:
    """What audiences as of one date have in common, in their order."""
    known = membership(answers, evidence)
    both = np.asarray((known @ known.T).todense(), np.int64).reshape(len(answers), len(answers))
    return Overlap(tuple(each.audience.audience for each in answers), both, int((known.sum(axis=0) > 0).sum()))
