"""Purchases and a catalogue become how strongly every customer leans to product sets: ALS by implicit, and closed forms in numpy and scikit-learn.

Settings are those of ``AffinityConfig`` in ``models/pairs/affinity.py``.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import NDArray
from pandas_tables import Known
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from threadpoolctl import threadpool_limits

Floats = NDArray[np.float32]
FACTORS, ITERATIONS, ALPHA, REGULARIZATION = 64, 8, 5.0, 1.0
EASE_PRODUCTS, EASE_REGULARIZATION, TASTE_COLUMNS, TASTE_REGULARIZATION = 4000, 400.0, 2000, 100.0
SMALL = 1e-6


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The products by code: ``products`` (category, brand, title, tags)."""

    products: pd.DataFrame

    @classmethod
    def read(cls, tables: Path) -> "Catalogue":
        """The products of the canonical tables, in the order of their ids."""
        columns = ["product_id", "category", "brand", "title", "tags"]
        return cls(pd.read_parquet(tables / "products.parquet", columns=columns).sort_values("product_id", ignore_index=True))

    @cached_property
    def named(self) -> pd.DataFrame:
        """Categories at every level, and brands: label, product."""
        paths = self.products["category"].dropna().str.split(" > ")
        levels = paths.map(lambda parts: [" > ".join(parts[: depth + 1]) for depth in range(len(parts))]).explode()
        found = pd.concat(["category " + levels, "brand " + self.products["brand"].dropna()])
        return pd.DataFrame({"label": found.to_numpy(), "product": found.index.to_numpy()})

    @cached_property
    def attributes(self) -> csr_matrix:
        """TF-IDF of the words, category levels and brand of every product: products x attributes."""
        words = self.products[["title", "brand", "category", "tags"]].fillna("").agg(" ".join, axis=1).str.lower().str.findall(r"[^\W_]+")
        labels = self.named.groupby("product")["label"].agg(list).reindex(self.products.index)
        documents = [[*each, *(more if isinstance(more, list) else [])] for each, more in zip(words, labels, strict=True)]
        return csr_matrix(TfidfVectorizer(analyzer=lambda document: document, min_df=2, dtype=np.float32).fit_transform(documents))


@dataclass(frozen=True, eq=False)
class Affinity:
    """What was learnt of products and attributes before a day."""

    item_factors: Floats
    ease: Floats
    ease_products: NDArray[np.intp]
    taste: Floats
    taste_columns: NDArray[np.intp]
    attributes: csr_matrix
    threads: int

    @classmethod
    def fit(cls, known: Known, catalogue: Catalogue, *, seed: int, threads: int) -> "Affinity":
        """Learn from everything that is known."""
        recent, attributes = matrix(known, "decayed_180"), catalogue.attributes
        model = _als(threads, seed=seed)
        with threadpool_limits(1, "blas"):
            model.fit(recent, show_progress=False)
        orders = matrix(known, "orders").astype(bool).astype(np.float32)
        tastes = csr_matrix(orders @ attributes)
        products, columns = most(orders, EASE_PRODUCTS), most(tastes, TASTE_COLUMNS)
        ease, taste = ease_of(orders[:, products], EASE_REGULARIZATION), ease_of(tastes[:, columns], TASTE_REGULARIZATION)
        return cls(np.asarray(model.item_factors), ease, products, taste, columns, attributes, threads)

    def left(self, known: Known) -> dict[str, csr_matrix | Floats]:
        """What every customer is to each affinity: customers x k."""
        recent = matrix(known, "decayed_180")
        orders = recent.astype(bool).astype(np.float32)
        model = _als(self.threads, seed=0)
        model.item_factors = self.item_factors
        with threadpool_limits(1, "blas"):
            people = model.recalculate_user(np.arange(recent.shape[0]), recent)
        logs = csr_matrix((np.log2(1 + recent.data), recent.indices, recent.indptr), shape=recent.shape)
        tastes = csr_matrix(orders @ self.attributes[:, self.taste_columns])
        return {"als": np.asarray(people), "ease": orders[:, self.ease_products], "taste": tastes, "content": csr_matrix(logs @ self.attributes)}

    def right(self, membership: csr_matrix) -> dict[str, Floats]:
        """What sets (products x sets) are to each affinity: k x sets."""
        kinds = csr_matrix(self.attributes.T @ membership)
        return {
            "als": np.asarray((membership.T @ self.item_factors).T),
            "ease": np.asarray((membership[self.ease_products].T @ self.ease.T).T),
            "taste": np.asarray((kinds[self.taste_columns].T @ self.taste.T).T),
            "content": kinds.toarray(),
        }


@dataclass(frozen=True, eq=False)
class Leanings:
    """The affinities of known customers to sets: ``of`` a block of sets, and ``totals`` to the whole catalogue."""

    affinity: Affinity
    left: dict[str, csr_matrix | Floats]

    @cached_property
    def totals(self) -> dict[str, Floats]:
        """To the whole catalogue, above 0."""
        everything = csr_matrix(np.ones((self.affinity.attributes.shape[0], 1), np.float32))
        return {name: np.maximum(values[:, 0], 1e-3) for name, values in self.of(everything).items()}

    def of(self, membership: csr_matrix) -> dict[str, Floats]:
        """Customers x sets, not below 0."""
        right = self.affinity.right(membership)
        return {name: np.maximum(np.asarray(left @ right[name], np.float32), 0) for name, left in self.left.items()}

    def usual(self, dense: dict[str, Floats]) -> dict[str, tuple[Floats, Floats]]:
        """What is usual for each set of what ``of`` gave, as it is and as a share."""
        shares = {name: np.asarray((1 / self.totals[name]) @ values / len(values), np.float32) for name, values in dense.items()}
        return {name: (values.mean(axis=0) + SMALL, shares[name] + SMALL) for name, values in dense.items()}

    def columns(
        self, dense: dict[str, Floats], usual: dict[str, tuple[Floats, Floats]], customers: NDArray[np.int64], sets: NDArray[np.int64]
    ) -> dict[str, Floats]:
        """The four columns of every affinity for some pairs of what ``of`` and ``usual`` gave."""
        found: dict[str, Floats] = {}
        for name, values in dense.items():
            own, (mean, mean_share) = values[customers, sets], usual[name]
            share = own / self.totals[name][customers]
            found |= {name: own, f"{name}_share": share, f"{name}_lift": own / mean[sets], f"{name}_share_lift": share / mean_share[sets]}
        return found


def matrix(known: Known, column: str) -> csr_matrix:
    """Orders by customer and product, from ``known.bought``."""
    bought, shape = known.bought, (len(known.people), known.purchases.products)
    return csr_matrix((bought[column].to_numpy(np.float32), (bought["customer"], bought["product"])), shape=shape)


def most(columns: csr_matrix, limit: int) -> NDArray[np.intp]:
    """The columns that most rows have, ascending."""
    return np.sort(np.argsort(-np.asarray((columns > 0).sum(axis=0)).ravel(), kind="stable")[:limit])


def ease_of(rows: csr_matrix, regularization: float) -> Floats:
    """The weights of EASE (Steck 2019)."""
    gram = (rows.T @ rows).toarray().astype(np.float64)
    gram[np.diag_indices_from(gram)] += regularization
    inverse = cho_solve(cho_factor(gram, overwrite_a=True), np.eye(len(gram)), overwrite_b=True)
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return np.asarray(weights, np.float32)


def _als(threads: int, *, seed: int) -> AlternatingLeastSquares:
    with threadpool_limits(1, "blas"):
        return AlternatingLeastSquares(
            factors=FACTORS, iterations=ITERATIONS, alpha=ALPHA, regularization=REGULARIZATION, random_state=seed, num_threads=threads
        )
