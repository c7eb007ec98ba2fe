"""What went wrong becomes one clear message: what is wrong, where, and what would be right."""

from collections.abc import Iterable
from difflib import get_close_matches


class WhobuysError(Exception):
    """Anything the shop's people can mend. Not for a programmer's mistake: that is a ValueError or TypeError.

    ``exit_code`` is what the command line ends with.
    """

    exit_code = 1


class DataError(WhobuysError):
    """The shop's files, configuration or stored state are not as they must be. Not for a wrong call of a command."""


class UsageError(WhobuysError):
    """A command was called in a way that cannot work. Not for what stands in the shop's files."""

    exit_code = 2


class PartlyDone(WhobuysError):
    """Some of what was asked is done and kept, the rest is not and is named."""

    exit_code = 3


class Refused(WhobuysError):
    """A guard said no (too small, no consent, worse than before). Not for what is broken."""

    exit_code = 4


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of an error sentence that suggests the nearest known name, or lists a few, or nothing when none is known.

    >>> did_you_mean("quantty", ["quantity", "price"])
    ", did you mean 'quantity'?"
    >>> did_you_mean("colour", ["quantity", "price"])
    '; known are: price, quantity'
    >>> did_you_mean("colour", [])
    ''
    """
    names = sorted(set(known))
    names = [name for name in names if not name.isdigit()] or names
    by_case = {name.casefold(): name for name in names}
    close = get_close_matches(word.casefold(), by_case, n=1, cutoff=0.7)
    if close:
        return f", did you mean {by_case[close[0]]!r}?"
    if not names:
        return ""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"; known are: {', '.join(names[:10])}{more}"
