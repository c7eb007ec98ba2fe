"""What went wrong becomes one clear message: what is wrong, where, and what would be right."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path


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


class Refused(WhobuysError):
    """A guard said no (too small, no consent, worse than before). Not for what is broken."""

    exit_code = 4


def no_file(path: Path) -> DataError:
    """The error for a path at which there is no file: nothing at all, or a folder."""
    return DataError(f"{path}: this is a folder; name a file in it" if path.is_dir() else f"{path}: there is no such file")


def listed(names: Sequence[str]) -> str:
    """The first ten names, and how many more there are.

    >>> listed([str(number) for number in range(400)])
    '0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 390 more'
    """
    return ", ".join(names[:10]) + (f" and {len(names) - 10:,} more" if len(names) > 10 else "")


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
    return f"; known are: {listed(names)}" if names else ""
