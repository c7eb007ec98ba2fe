"""A command becomes a process of its own, with how long it took and the most memory it held; and what a benchmark is asked for, as names."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Step:
    """One command: how it ended (0 is well), how long it took by the clock and of all processors, and the most memory it held."""

    verb: str
    status: int
    seconds: float
    megabytes: float
    processor: float

    def figures(self) -> dict[str, float]:
        """What was measured."""
        return {"seconds": self.seconds, "processor": self.processor, "megabytes": self.megabytes}


def timed(verb: str, command: Sequence[str | Path], *, environment: Mapping[str, str], complaints: Path | None = None) -> Step:
    """Run a command to its end; what it prints is dropped, what it complains about is shown, or kept in a file."""
    began = time.perf_counter()
    with complaints.open("wb") if complaints else nullcontext() as file:
        process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=file, env=environment)
        _, status, used = os.wait4(process.pid, 0)
    step = Step(verb, os.waitstatus_to_exitcode(status), time.perf_counter() - began, used.ru_maxrss / 1024, used.ru_utime + used.ru_stime)
    print(f"  {verb}: {step.seconds:.0f} s, {step.megabytes:,.0f} MB", flush=True)
    return step


def whobuys(verb: str, *arguments: str | Path) -> Step:
    """Run one verb of the command line; ends the benchmark when it fails."""
    command = [Path(sys.executable).with_name("whobuys"), verb, *arguments]
    step = timed(verb, command, environment={name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")})
    if step.status:
        raise SystemExit(f"failed: {' '.join(map(str, command))}")
    return step


def names_among(known: Collection[str]) -> Callable[[str], list[str]]:
    """What reads an option of names, separated by commas; argparse tells one that is not known, with those that are."""

    def read(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",")]
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"there is no {name!r}; known are: {', '.join(known)}")
        return names

    return read
