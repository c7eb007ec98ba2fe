"""Some of a shop's customers, drawn by their ids alone, and a fair share of the rows of nobody who is known."""

import numpy as np
from ibis.expr.types import BooleanValue, Table
from numpy.typing import NDArray
from pandas.util import hash_array

DRAW = "whobuys drawn by"
"""What makes the draw another one than other draws by customers' ids; 16 characters."""

SCATTER, SCATTERED = 2_654_435_761, 2**32
"""An integer times the first, modulo the second, is as good as drawn (Knuth's multiplicative hashing)."""


def drawn_codes(customer_ids: NDArray[np.object_], share: float) -> NDArray[np.int32]:
    """The positions of about so large a ``share`` of the customers, ascending. A smaller share is part of a larger one."""
    return np.flatnonzero(chances(customer_ids) < share).astype(np.int32)


def chances(ids: NDArray[np.object_]) -> NDArray[np.float64]:
    """A number from 0 to 1 for every id, as good as drawn: those with one below a share are drawn."""
    return np.asarray(hash_array(ids, hash_key=DRAW, categorize=False) / 2.0**64, np.float64)


def of_drawn(table: Table, chosen: Table, share: float) -> Table:
    """The rows of the ``chosen`` customers (a table with their codes as ``customer``), and as large a share of the orders of nobody known."""
    kept: BooleanValue = table.customer.isin(chosen.customer)
    if "order" in table.columns:
        lucky = (table.order.cast("int64") * SCATTER) % SCATTERED < int(share * SCATTERED)
        kept |= table.customer.isnull() & lucky
    return table.filter(kept)
