"""The verb demo: a made-up shop from its exports to its audiences, by the same verbs that a real shop uses."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from features.errors import Refused
from whobuys import answer_verbs, audience_verbs, folder_verbs, training_verbs
from whobuys.terminal import Threads, say, set_threads

MARK = ".whobuys-demo"
EXPORTS = "exports-in"
NAME = "The made-up Nordic outdoor shop"
SEED = 1
_QUICK = {
    "\norigins = 5": "\norigins = 2",
    "backtest_origins = 3": "backtest_origins = 1",
    "[30, 60, 90, 180, 365]": "[30, 90, 365]",
    "#[model]": "[model]",
    "#trees = 160": "trees = 100",
}
"""Fewer past dates, horizons and trees than a real shop has, so that the demo is over in two minutes."""


def demo(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the made-up shop is put.")] = Path("demo-shop"),
    scale: Annotated[float, typer.Option("--scale", min=0.02, max=50, help="1 is 20,000 customers.")] = 1.0,
    threads: Threads = None,
) -> None:
    """Make up a shop and take it from its exports to its audiences, end to end; says at the end what to look at."""
    set_threads(threads)
    from features.made_up import END

    began = time.monotonic()
    _refuse_real_shop(folder)
    files = _made_up(folder, scale)
    os.environ["WHOBUYS_TODAY"] = END.isoformat()  # the shop's own clock
    run = _Runner(folder, len(_STEPS))
    for words, verb in _STEPS:
        run(words, verb, files, threads)
    typer.echo(f"\ndone in {time.monotonic() - began:.0f} s\n{_to_look_at(folder)}")


def _refuse_real_shop(folder: Path) -> None:
    if folder.exists() and not (folder / MARK).exists() and any(folder.iterdir()):
        raise Refused(f"{folder}: is not empty and no demo shop; name another folder: whobuys demo FOLDER")


def _made_up(folder: Path, scale: float) -> list[Path]:
    from features.config import CONFIG, template
    from features.files import write_text
    from features.made_up import made_up_shop, write_exports

    say(f"making up a Nordic outdoor shop with {scale * 20_000:,.0f} customers, whose exports are put into {folder / EXPORTS}")
    write_text(folder / MARK, "Made by whobuys demo; it may be overwritten.\n")
    settings = template()
    for usual, here in _QUICK.items():
        settings = settings.replace(usual, here, 1)
    settings = settings.replace('name = ""', f'name = "{NAME}"', 1)
    write_text(folder / CONFIG, settings)
    return write_exports(made_up_shop(scale=scale, seed=SEED), folder / EXPORTS)


class _Runner:
    """Says each command as one would type it, runs it, and says how long it took."""

    def __init__(self, folder: Path, steps: int) -> None:
        self.folder, self.steps, self.step = folder, steps, 0

    def __call__(self, words: str, verb: Callable[[Path, list[Path], int | None], None], files: list[Path], threads: int | None) -> None:
        began, self.step = time.monotonic(), self.step + 1
        typer.echo(f"\n[{self.step}/{self.steps}] $ whobuys {words.replace('FILES', f'{files[0].parent}/*.csv')} --shop {self.folder}")
        verb(self.folder, files, threads)
        say(f"({time.monotonic() - began:.1f} s)")


_STEPS: tuple[tuple[str, Callable[[Path, list[Path], int | None], None]], ...] = (
    ("import FILES", lambda shop, files, threads: folder_verbs.import_(files, shop=shop)),
    ("train --promote", lambda shop, files, threads: training_verbs.train(shop=shop, promote=True, threads=threads)),
    ("evaluate", lambda shop, files, threads: training_verbs.evaluate(shop=shop)),
    ("score", lambda shop, files, threads: answer_verbs.score(shop=shop, threads=threads)),
    ("audience build long-tail", lambda shop, files, threads: audience_verbs.build("long-tail", shop=shop, threads=threads)),
    ("audience build cross-sell", lambda shop, files, threads: audience_verbs.build("cross-sell", shop=shop, threads=threads)),
    ('who "ice axe" --top 5', lambda shop, files, threads: answer_verbs.who(["ice axe"], shop=shop, top=5, threads=threads)),
)


def _to_look_at(folder: Path) -> str:
    return f"""
What to look at now:
  whobuys who tent --shop {folder}                         who buys tents in the next 30 days
  whobuys who --brand Nordvind --category Tents --shop {folder}
  whobuys audience build cross-sell --bought Tents --not-bought "Mosquito repellent" --shop {folder}
  whobuys audience suggest --shop {folder}                 what else to sell to whom
  {folder}/exports/                                  audiences as CSV, ready for an e-mail platform
  mlflow ui --backend-store-uri sqlite:///{folder}/mlflow.db   how the models were made"""
