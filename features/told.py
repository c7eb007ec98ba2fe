"""What is true of all customers of a shop, told to who has only some of them at hand.

Most of what is said of a customer follows from that customer's own orders; some of it needs everybody: how popular a product set is, from what on a
customer counts among the best fifth, how long a usual gap is. A large shop is scored in parts, each with some of the customers. What needs everybody
is worked out once, where all of them (or a fair draw) are, remembered here under a name, and taken from here in every part.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

V = TypeVar("V")
Rows = NDArray[np.floating]


@dataclass(eq=False)
class Told:
    """``facts`` by name. While they are being gathered, what is not known yet is worked out and remembered; afterwards it is missing."""

    facts: dict[Hashable, Any] = field(default_factory=dict)
    gathering: bool = True

    def fact(self, name: Hashable, work_out: Callable[[], V]) -> V:
        """The fact of this name. Raises ValueError for one that was not gathered."""
        if name not in self.facts:
            self._must_gather(name)
            self.facts[name] = work_out()
        found: V = self.facts[name]
        return found

    def rows(self, name: Hashable, keys: Sequence[Hashable], work_out: Callable[[], Rows]) -> Rows:
        """A row for each of the keys, however they were asked for together; ``work_out`` makes those of all the keys."""
        missing = [key for key in keys if (name, key) not in self.facts]
        if missing:
            self._must_gather(name)
            self.facts.update(zip(((name, key) for key in keys), work_out(), strict=True))
        return np.stack([self.facts[name, key] for key in keys])

    def tell(self, name: Hashable, keys: Sequence[Hashable], rows: Rows) -> None:
        """Put rows that are known better in the place of those of the keys."""
        self.facts.update(zip(((name, key) for key in keys), rows, strict=True))

    def _must_gather(self, name: Hashable) -> None:
        if not self.gathering:
            raise ValueError(f"{name} was not told of all customers")
