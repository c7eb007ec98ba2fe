"""Purchases become affinities: how strongly every customer leans to any product set.

Every affinity is linear in the set: ``customers x k`` times ``k x products`` times ``products x sets``. So one mechanism answers for
a category, a brand, a product or any list of ids, also one that did not exist when the affinity was fitted.

* als: implicit ALS on decayed orders (Hu, Koren, Volinsky 2008).
* ease: a linear autoencoder over products (Steck 2019), its largest weights kept.
* taste: the same autoencoder over attributes (words, categories, brands), which also reaches products without sales.
* content: TF-IDF likeness of the attributes bought and those of the set.
* next: what is bought next by customers who bought such things so lately (``models/pairs/succession.py``).
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import NDArray
from scipy.linalg import lapack
from scipy.sparse import csr_matrix, diags
from threadpoolctl import threadpool_limits

from features.products import Catalogue
from features.snapshot import Snapshot
from models.base import Arrays, Floats, log2p, sparse_arrays, sparse_of
from models.pairs.succession import LOOKED_BACK, Succession, SuccessionConfig

Places = NDArray[np.intp]
WELL_CONDITIONED = 1e-4
"""The least reciprocal condition number with which single precision inverts a matrix to three digits."""

AFFINITIES = {
    "als": "affinity by collaborative filtering (ALS) on recent orders",
    "ease": "affinity by products that go together (EASE)",
    "taste": "affinity by words, categories and brands that go together (EASE over attributes)",
    "content": "likeness of the words, categories and brands bought to those of the set (TF-IDF)",
    "next": "purchases from the set that past horizons lead to expect, by when, how often and what the customer bought",
}


@dataclass(frozen=True)
class AffinityConfig:
    """Settings of all affinities.

    ``half_life`` in days; ``ease_products`` and ``ease_attributes`` limit the autoencoders to the columns that most customers bought;
    ``ease_kept`` is the number of weights kept per column; ``least_products`` an attribute needs to count.
    """

    half_life: int = 180
    factors: int = 64
    iterations: int = 8
    alpha: float = 5.0
    regularization: float = 1.0
    ease_products: int = 4000
    ease_regularization: float = 400.0
    ease_attributes: int = 2000
    taste_regularization: float = 100.0
    ease_kept: int = 200
    least_products: int = 2
    succession: SuccessionConfig = field(default_factory=SuccessionConfig)
    threads: int = 2


@dataclass(frozen=True, eq=False)
class Leanings:
    """The affinities of one snapshot's customers, ready for any membership (products x sets). Made by ``Affinity.of``.

    ``factors`` (ALS) and ``bound`` (what is bought next) are customers x k, ``recent`` the decayed orders, customers x ``known`` products;
    ``catalogue`` are the weighted attributes of all products of the shop.
    """

    affinity: "Affinity"
    factors: Floats
    bound: Floats
    recent: csr_matrix
    catalogue: csr_matrix
    known: Places

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What is known of the customers, for ``Affinity.recalled``."""
        totals = {f"total_{name}": values for name, values in self.totals.items()}
        return {"factors": self.factors, "bound": self.bound, **sparse_arrays("recent", self.recent), **totals}

    @cached_property
    def _left(self) -> dict[str, csr_matrix | Floats]:
        orders, lately = _ones(self.recent), log2p(self.recent)
        return {"als": self.factors, "ease": orders, "taste": orders, "content": lately, "next": self.bound}

    def right(self, membership: csr_matrix) -> dict[str, Floats]:
        """What each affinity knows of the sets: k x sets, dense. Attributes are summed up by product first: customers bought a few products each,
        which have many attributes."""
        bought = self._known(membership)
        kinds = (membership.T @ self.catalogue).T.tocsr()
        return {
            "als": self.affinity.item_factors.T @ bought.toarray(),
            "ease": _dense(self.affinity.ease @ bought),
            "taste": _dense(self._tastes @ (self.affinity.taste @ kinds[self.affinity.taste_columns])),
            "content": _dense(self._attributes @ kinds),
            "next": self.affinity.succession.right(kinds),
        }

    @cached_property
    def _attributes(self) -> csr_matrix:
        return self._known(self.catalogue)

    @cached_property
    def _tastes(self) -> csr_matrix:
        return self._attributes[:, self.affinity.taste_columns]

    def _known(self, products: csr_matrix) -> csr_matrix:
        """Those rows of a matrix of all products that the affinity learnt of; none of a product that the shop has no longer."""
        found: csr_matrix = products[self.known]
        gone = self.known < 0
        return (diags(np.where(gone, 0, 1).astype(found.dtype)) @ found).tocsr() if gone.any() else found

    def scores(self, membership: csr_matrix) -> dict[str, Floats]:
        """Each affinity of every customer to every set: float32 customers x sets, not below 0."""
        right = self.right(membership)
        return {name: np.maximum(_dense(left @ right[name]), 0) for name, left in self._left.items()}

    @cached_property
    def totals(self) -> dict[str, Floats]:
        """Each affinity of every customer to the whole catalogue, above 0: what a share is a share of."""
        everything = csr_matrix(np.ones((self.catalogue.shape[0], 1), np.float32))
        return {name: np.maximum(values[:, 0], 1e-3) for name, values in self.scores(everything).items()}


@dataclass(frozen=True, eq=False)
class Affinity:
    """What was learnt of products and attributes from orders before a date; it holds no customer.

    ``product_ids`` are the columns of ``item_factors`` and ``ease``; ``attribute_names`` with ``attribute_weights`` (inverse document
    frequencies) those of the attributes, of which ``taste`` reads the ``taste_columns``.
    """

    config: AffinityConfig
    product_ids: pd.Index
    item_factors: Floats
    ease: csr_matrix
    attribute_names: pd.Index
    attribute_weights: Floats
    taste_columns: Places
    taste: csr_matrix
    succession: Succession

    @classmethod
    def fit(cls, snapshot: Snapshot, catalogue: Catalogue, *, config: AffinityConfig, seed: int) -> Self:
        """Learn from everything before the snapshot's date."""
        recent, products = snapshot.matrix("product", half_life=config.half_life)
        orders = _ones(recent)
        names, weights = _vocabulary(catalogue, products, least=config.least_products)
        weighted = _weighted(catalogue, names, weights)
        tastes = (orders @ weighted[catalogue.products.index.get_indexer(products)]).tocsr()
        columns = np.sort(_by_buyers(tastes)[: config.ease_attributes])
        factors = _item_factors(recent, config, seed)
        with threadpool_limits(config.threads), ThreadPoolExecutor(max_workers=1) as beside:
            weights_of = (
                beside.submit(_ease, orders, config.ease_products, config.ease_regularization, config.ease_kept),
                beside.submit(_ease, tastes[:, columns], len(columns), config.taste_regularization, config.ease_kept),
            )
            succession = Succession.fit(snapshot, weighted, most_bought=_by_buyers(tastes), config=config.succession, seed=seed)
            ease, taste = (each.result() for each in weights_of)
        return cls(config, products, factors, _spread(ease, orders, config.ease_products), names, weights, columns, taste, succession)

    def recalled(self, arrays: Arrays, catalogue: Catalogue) -> Leanings:
        """The same as ``of``, from what ``Leanings.arrays`` said of the same affinity, snapshot and catalogue."""
        weighted = _weighted(catalogue, self.attribute_names, self.attribute_weights)
        positions = catalogue.products.index.get_indexer(self.product_ids)
        factors, bound = (np.asarray(arrays[name], np.float32) for name in ("factors", "bound"))
        found = Leanings(self, factors, bound, sparse_of("recent", arrays), weighted, positions)
        vars(found)["totals"] = {name: arrays[f"total_{name}"] for name in AFFINITIES}
        return found

    def of(self, snapshot: Snapshot, catalogue: Catalogue) -> Leanings:
        """The affinities of the customers of a snapshot, which may be later than the fit: everybody is folded in alike."""
        (recent, products), *orders = snapshot.matrices("product", (self.config.half_life, *LOOKED_BACK))
        known = snapshot.shop.product_ids
        place = self.product_ids.get_indexer(products)
        kept = np.flatnonzero(place >= 0)
        shape = (recent.shape[0], len(self.product_ids))
        entries = recent[:, kept].tocoo()
        aligned = csr_matrix((entries.data, (entries.row, place[kept][entries.col])), shape=shape)
        weighted = _weighted(catalogue, self.attribute_names, self.attribute_weights)
        positions = pd.Index(known).get_indexer(self.product_ids)
        return Leanings(self, self.fold_in(aligned), self.succession.left(snapshot, weighted, orders), aligned, weighted, positions)

    def fold_in(self, recent: csr_matrix) -> Floats:
        """The ALS factors of customers, from their decayed orders: float32 customers x factors."""
        with threadpool_limits(1, "blas"):  # the constructor, too: it warns of several threads
            model = AlternatingLeastSquares(
                factors=self.item_factors.shape[1],
                regularization=self.config.regularization,
                alpha=self.config.alpha,
                num_threads=self.config.threads,
            )
            model.item_factors = self.item_factors
            return np.asarray(model.recalculate_user(np.arange(recent.shape[0]), recent), np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that is kept, as arrays without objects."""
        return {
            "product_ids": self.product_ids.to_numpy(dtype="U"),
            "item_factors": self.item_factors,
            "attribute_names": self.attribute_names.to_numpy(dtype="U"),
            "attribute_weights": self.attribute_weights,
            "taste_columns": self.taste_columns,
            **sparse_arrays("ease", self.ease),
            **sparse_arrays("taste", self.taste),
            **self.succession.arrays(),
        }

    @classmethod
    def of_arrays(cls, arrays: Arrays, config: AffinityConfig) -> Self:
        """The inverse of ``arrays``."""
        return cls(
            config,
            pd.Index(arrays["product_ids"].astype(object)),
            arrays["item_factors"].astype(np.float32),
            sparse_of("ease", arrays),
            pd.Index(arrays["attribute_names"].astype(object)),
            arrays["attribute_weights"].astype(np.float32),
            arrays["taste_columns"].astype(np.intp),
            sparse_of("taste", arrays),
            Succession.of_arrays(arrays),
        )


def _ones(matrix: csr_matrix) -> csr_matrix:
    return csr_matrix((np.ones_like(matrix.data), matrix.indices, matrix.indptr), shape=matrix.shape)


def _dense(matrix: csr_matrix | Floats) -> Floats:
    return np.asarray(matrix if isinstance(matrix, np.ndarray) else matrix.toarray(), np.float32)


def _item_factors(recent: csr_matrix, config: AffinityConfig, seed: int) -> Floats:
    with threadpool_limits(1, "blas"):  # the constructor, too: it warns of several threads
        model = AlternatingLeastSquares(
            factors=min(config.factors, max(2, min(recent.shape) - 1)),
            regularization=config.regularization,
            alpha=config.alpha,
            iterations=config.iterations,
            random_state=seed,
            num_threads=config.threads,
        )
        model.fit(recent, show_progress=False)
    return np.asarray(model.item_factors, np.float32)


def _by_buyers(matrix: csr_matrix) -> Places:
    """The columns, those that most customers have first."""
    return np.argsort(-np.asarray((matrix > 0).sum(axis=0)).ravel(), kind="stable")


def _ease(matrix: csr_matrix, limit: int, regularization: float, kept: int) -> csr_matrix:
    """Weights of the closed form: B = I - P / diag(P), P = (X'X + regularization I)^-1; the ``kept`` largest of each column."""
    if not matrix.shape[1]:
        return csr_matrix(np.zeros((0, 0), np.float32))
    columns = np.sort(_by_buyers(matrix)[:limit])
    chosen = matrix[:, columns]
    chosen = chosen.astype(np.float64)  # of many customers, sums in single precision are off by more than the regularization
    inverse = _inverse((chosen.T @ chosen).toarray(), ridge=regularization)
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    if kept < len(weights):
        least = np.partition(np.abs(weights), len(weights) - kept, axis=0)[len(weights) - kept]
        weights[np.abs(weights) < least] = 0
    return csr_matrix(weights)


def _inverse(matrix: NDArray[np.floating], *, ridge: float) -> Floats:
    """The inverse of a symmetric positive semidefinite matrix plus ``ridge`` I, by Cholesky; in double precision where its condition asks for it,
    as that of the many orders of a large shop does."""
    single = _with_ridge(matrix, ridge, np.float32)
    factor, failed = lapack.spotrf(single, lower=1, clean=0)
    if failed or lapack.spocon(factor, np.abs(single).sum(axis=0).max(), uplo="L")[0] < WELL_CONDITIONED:
        factor, failed = lapack.dpotrf(_with_ridge(matrix, ridge, np.float64), lower=1, overwrite_a=1, clean=0)
    if failed:
        raise ValueError("the matrix is not positive definite")
    potri = lapack.spotri if factor.dtype == np.float32 else lapack.dpotri
    lower = np.tril(potri(factor, lower=1, overwrite_c=1)[0])
    return np.asarray(lower + np.tril(lower, -1).T, np.float32)


def _with_ridge(matrix: NDArray[np.floating], ridge: float, kind: type[np.floating]) -> NDArray[np.floating]:
    found = np.array(matrix, kind, order="F")
    found[np.diag_indices_from(found)] += ridge
    return found


def _spread(weights: csr_matrix, matrix: csr_matrix, limit: int) -> csr_matrix:
    columns = np.sort(_by_buyers(matrix)[:limit])
    entries = weights.tocoo()
    return csr_matrix((entries.data, (columns[entries.row], columns[entries.col])), shape=(matrix.shape[1], matrix.shape[1]))


def _vocabulary(catalogue: Catalogue, sold: pd.Index, *, least: int) -> tuple[pd.Index, Floats]:
    names, matrix = catalogue.attributes
    counts = np.asarray(matrix[catalogue.products.index.get_indexer(sold)].sum(axis=0)).ravel()
    kept = np.flatnonzero(counts >= least)
    weights = np.log((1 + len(sold)) / (1 + counts[kept])).astype(np.float32)
    return pd.Index([names[column] for column in kept], dtype=object), weights


def _weighted(catalogue: Catalogue, names: pd.Index, weights: Floats) -> csr_matrix:
    known, matrix = catalogue.attributes
    place = pd.Index(known, dtype=object).get_indexer(names)
    found = place >= 0
    entries = matrix[:, place[found]].tocoo()
    chosen = csr_matrix((entries.data, (entries.row, np.flatnonzero(found)[entries.col])), shape=(matrix.shape[0], len(names)))
    chosen = (chosen @ diags(weights)).tocsr()
    lengths = np.sqrt(np.asarray(chosen.multiply(chosen).sum(axis=1)).ravel())
    scaled: csr_matrix = (diags(1 / np.where(lengths > 0, lengths, 1)) @ chosen).tocsr().astype(np.float32)
    return scaled
