"""What all verbs share: options, narration on stderr, progress in a terminal, and errors as one message with an exit code."""

import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from features.dates import parse_day
from features.errors import UsageError, WhobuysError

Say = Callable[[str], None]


def _day(text: str) -> date:
    try:
        return parse_day(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


HERE = Path()
ShopFolder = Annotated[Path, typer.Option("--shop", envvar="WHOBUYS_SHOP", help="The shop's folder.", show_default="this folder")]
AsOf = Annotated[
    date | None,
    typer.Option(
        "--as-of", parser=_day, metavar="YYYY-MM-DD", help="Use what was known before this day.", show_default="the day after the last order"
    ),
]
BundleId = Annotated[str | None, typer.Option("--bundle", metavar="ID", help="Another bundle than the published one.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]


def _size(text: str) -> str:
    if not re.fullmatch(r"\d+(\.\d+)?\s*[KMGT]i?B", text.strip(), re.IGNORECASE):
        raise typer.BadParameter(f"a size is a number and a unit, such as 2GB or 500MB, got {text!r}")
    return text.strip()


MemoryLimit = Annotated[
    str | None,
    typer.Option("--memory-limit", parser=_size, metavar="SIZE", help="How much memory queries may take before they spill to disk, such as 2GB."),
]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="How many threads queries may use.", show_default="all cores")]


class Verbs(TyperGroup):
    """The group of all verbs: what the shop's people can mend ends as one message on stderr and its exit code; ``--debug`` shows where."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **further: Any) -> Any:  # noqa: ANN401 - as typer declares it
        """Run the command line. ``--debug`` is understood anywhere in it."""
        words = list(sys.argv[1:] if args is None else args)
        debug = "--debug" in words
        try:
            return super().main(["--debug"] * debug + [word for word in words if word != "--debug"], *rest, **further)
        except WhobuysError as error:
            if debug:
                raise
            say(f"whobuys: {error}")
            sys.exit(error.exit_code)
        except OSError as error:
            if debug:
                raise
            say(f"whobuys: {error.filename or 'a file'}: {error.strerror or error}; what was published before is still whole")
            sys.exit(1)


def say(text: str) -> None:
    """Narrate: a line on stderr."""
    typer.echo(text, err=True)


def tell_rule(rule: str | None) -> None:
    """Say so when a rule answers instead of the model."""
    if rule:
        say(f"note: a simple rule answers ({rule}), as past dates do not show that the model is better for this shop")


def warn_if_stale(shop: Path, as_of: date, *, horizon: int) -> None:
    """Warn on stderr when the answer or the bundle in use is older than the shop's whobuys.toml says."""
    from whobuys.clock import stale_in

    for warning in stale_in(shop, as_of, horizon=horizon):
        say(f"note: {warning}")


def form_of(*, json: bool, csv: bool) -> str:
    """The form that ``--json`` and ``--csv`` ask for: ``json``, ``csv`` or ``table``. Raises UsageError for both."""
    if json and csv:
        raise UsageError("--json and --csv exclude each other; give one of them")
    return "json" if json else "csv" if csv else "table"


def set_threads(threads: int | None) -> None:
    """Tell the numeric libraries how many threads to use; works only before numpy is loaded. One for BLAS: more are slower beside other work."""
    for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait in a loop make training several times slower beside other work
    if threads:
        os.environ["OMP_NUM_THREADS"] = str(threads)


@contextmanager
def progress() -> Iterator[Say]:
    """Yield what narrates the steps of long work: a line each, and in a terminal a moving sign with the time the present step takes."""
    if not sys.stderr.isatty():
        yield say
        return
    from rich.console import Console
    from rich.markup import escape

    console, began = Console(stderr=True, highlight=False), time.monotonic()
    with console.status("") as status:

        def tell(text: str) -> None:
            console.print(f"[dim]{time.monotonic() - began:6.1f} s[/dim]  {escape(text)}")
            status.update(f"{escape(text)} ...")

        yield tell
