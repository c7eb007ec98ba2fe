"""The command line of a benchmark that measures each data set on several past dates."""

import argparse
from collections.abc import Callable
from pathlib import Path

from _commands import names_among
from _grounds import GROUNDS, there
from _page import DATA, write_section

Measure = Callable[..., tuple[str, list[str]]]
"""A ground, the folder of its raw files and ``origins`` become the text of its section, and what does not hold."""


def measured_on_dates(words: str | None, measure: Measure, *, section: str, only: str, origins: int) -> int:
    """Read the options, measure, print, and write sections if asked to; 1 when something does not hold. ``words`` are told by --help."""
    parser = argparse.ArgumentParser(description=words, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of the data sets")
    parser.add_argument("--only", type=names_among(GROUNDS), default=only, help="names, separated by commas")
    parser.add_argument("--origins", type=int, default=origins, help="past dates, 30 days apart")
    parser.add_argument("--write", action="store_true", help="write the result into docs/evaluation.md")
    given = parser.parse_args()
    names, problems = there(given.only, given.data), []
    for name in names:
        print(name, flush=True)
        text, found = measure(GROUNDS[name], given.data / name, origins=given.origins)
        print(f"\n{text}", flush=True)
        problems += [f"{name}: {each}" for each in found]
        if given.write:
            write_section(f"{section} {name}", text)
    if names:
        print("\n".join(f"does not hold: {each}" for each in problems) or "everything holds")
    return int(bool(problems))
