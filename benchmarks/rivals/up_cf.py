"""UP-CF@r: popularity within a user's last r baskets, carried over from similar users (Faggioli, Polato, Aiolli: Recency Aware Collaborative
Filtering for Next Basket Recommendation, UMAP 2020).

    python up_cf.py FOLDER products|sets

The items of the paper are products, whose scores are summed over a set, or the sets themselves.
"""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from exchange import Past, Scores, baskets, best, of_sets, write
from scipy.sparse import csr_matrix, diags

BLOCK = 1000


@dataclass(frozen=True)
class Setting:
    """Baskets looked back (r), locality (q), and asymmetry of the cosine (alpha)."""

    recent: float
    locality: int
    alpha: float

    def __str__(self) -> str:
        return f"r {self.recent:g}, q {self.locality}, alpha {self.alpha:g}"


SETTINGS = [Setting(recent, locality, alpha) for recent in (5, np.inf) for locality in (1, 5, 25) for alpha in (0.0, 0.25, 0.5)]


def popularity(past: Past, *, recent: float, over: str) -> csr_matrix:
    """The share of the user's last ``recent`` baskets that hold the item: customers x items."""
    orders, held = baskets(past, over=over)
    last = np.minimum(orders["orders"], recent)
    weight = np.where(orders["orders"] - orders["number"] <= last, 1 / last, 0.0)
    by_user = csr_matrix((weight, (orders["customer"], orders.index)), shape=(len(past.customers), len(orders)))
    return csr_matrix(by_user @ held)


def scores(past: Past, setting: Setting, *, over: str) -> Scores:
    """The sum over all users, oneself included, of similarity ** q times popularity; customers x sets, in blocks of customers."""
    has = popularity(past, recent=np.inf, over=over).astype(bool).astype(np.float32)
    size = np.maximum(np.asarray(has.sum(axis=1)).ravel(), 1)
    left, right = diags(size**-setting.alpha) @ has, (diags(size ** (setting.alpha - 1)) @ has).T.tocsc()
    popular = of_sets(past, popularity(past, recent=setting.recent, over=over), over=over).astype(np.float32)
    blocks = [(left[first : first + BLOCK] @ right).power(setting.locality) @ popular for first in range(0, has.shape[0], BLOCK)]
    return np.vstack([block.toarray() for block in blocks])


def main(folder: Path, over: str) -> None:
    past = Past.read(folder)
    scores_over = partial(scores, over=over)
    chosen = best(SETTINGS, scores_over, past)
    write(folder, past, scores_over(past, chosen), settings=str(chosen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
