"""Arrays of codes and numbers become Arrow columns: ids, looked-up words (dictionary-encoded), times, money."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.made_up.calendar import START_DAY
from features.made_up.chance import Flags, Floats, Whole

_MICROSECONDS = 1_000_000


def ids(prefix: str, numbers: Whole, *, digits: int) -> pa.Array:
    """Ids such as C000017."""
    padded = pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), digits, "0")
    return pc.binary_join_element_wise(prefix, padded, "")


def joined(*parts: pa.Array | str, by: str = " ") -> pa.Array:
    """Texts joined row by row."""
    return pc.binary_join_element_wise(*parts, by)


def looked_up(words: Sequence[str] | pa.Array, codes: Whole, *, missing: Flags | None = None) -> pa.DictionaryArray:
    """The word of each code, dictionary-encoded; null where ``missing``."""
    if isinstance(words, pa.Array):
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=missing), words)
    places = {word: place for place, word in enumerate(dict.fromkeys(words))}
    moved = np.array([places[word] for word in words], dtype=np.int8 if len(places) < 128 else np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(moved[codes], mask=missing), pa.array(list(places), pa.string()))


def plain(words: Sequence[str], codes: Whole) -> pa.Array:
    """The word of each code, as plain text."""
    return pa.array(list(words), pa.string()).take(pa.array(codes))


def times(day: Whole, second: Whole) -> pa.Array:
    """Times to the second from days since START and seconds in the day."""
    seconds = (day.astype(np.int64) + START_DAY) * 86_400 + second
    return pa.array(seconds * _MICROSECONDS).view(pa.timestamp("us"))


def dates(day: Whole, *, missing: Flags) -> pa.Array:
    """Dates from days since START; null where ``missing``."""
    return pa.array((day + START_DAY).astype(np.int32), pa.int32(), mask=missing).view(pa.date32())


def money(amounts: Floats) -> Floats:
    """Amounts rounded to cents, never -0."""
    return np.round(amounts, 2) + 0.0
