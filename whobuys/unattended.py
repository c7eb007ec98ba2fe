"""All steps of a shop's week, with nobody looking on: what became of them is kept in run_result.json, and told to whom the shop names."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import version

from features.errors import DataError
from features.files import RESULT, Current, locked, read_current, write_json
from serving.published import enough_room
from whobuys.notice import send_notices
from whobuys.week import STEPS, Planned, Skipped, State, Step, Week
from whobuys.week_runs import compared, week_run

LOCK = ".weekly.lock"


def run(week: Week, *, now: Callable[[], datetime], wait_seconds: float = 0) -> dict[str, object]:
    """All steps; what became of them is written to ``run_result.json`` and told as ``[notify]`` says, also when one refuses or fails, which is then
    raised.

    Raises Refused when another weekly run is under way after ``wait_seconds``, and DataError, with nothing written, for a folder that is not there
    and no files to make it of.
    """
    if not (week.folder.exists() or week.files):
        raise DataError(f"{week.folder}: there is no such folder; name the shop's with --shop, or files with the orders of a new one")
    began = now()
    try:
        with locked(week.folder, wait_seconds=wait_seconds, name=LOCK):
            result = _run_and_keep(week, began, now)
    except BaseException as error:
        _notify(week, _result(week, began, now(), error))
        raise
    _notify(week, result)
    return result


def _run_and_keep(week: Week, began: datetime, now: Callable[[], datetime]) -> dict[str, object]:
    try:
        with enough_room(week.folder), week_run(week.folder, week.config, dry=week.dry) as results:
            for name, step in STEPS.items():
                week.steps.append(_left_out(name) if week.dry and week.steps else _done(week, name, step))
            results.append(_result(week, began, now(), None))
    except BaseException as error:
        _keep(week, _result(week, began, now(), error))
        raise
    result = _result(week, began, now(), None)
    _keep(week, result)
    return result


def _keep(week: Week, result: Mapping[str, object]) -> None:
    try:
        if not week.dry:
            write_json(week.folder / RESULT, result)
    except OSError as error:
        week.say(f"note: {week.folder / RESULT}: {error.strerror or error}; it is that of an earlier run")


def _notify(week: Week, result: Mapping[str, object]) -> None:
    if not week.dry:
        for said in send_notices(week.config.notify, result, shop=week.config.shop.name or week.folder.absolute().name):
            week.say(f"note: {said}")


def _done(week: Week, name: str, step: Callable[[Week], str]) -> Step:
    began = time.monotonic()
    week.say(f"{name} ...")
    try:
        state: State = "done"
        said = step(week)
    except Planned as seen:
        said = str(seen)
    except Skipped as reason:
        state, said = "skipped", str(reason)
    except BaseException as error:
        week.steps.append(Step(name, _state(error), _said(error), round(time.monotonic() - began, 1)))
        raise
    week.say(f"{name}: {said}")
    return Step(name, state, said, round(time.monotonic() - began, 1))


def _left_out(name: str) -> Step:
    return Step(name, "skipped", "a dry run changes nothing", 0.0)


def _state(error: BaseException | None) -> State:
    return "done" if error is None else "refused" if getattr(error, "exit_code", 1) == 4 else "failed"


def _said(error: BaseException | None) -> str:
    return "" if error is None else str(error) or type(error).__name__


def _result(week: Week, began: datetime, ended: datetime, error: BaseException | None) -> dict[str, object]:
    current = Current()
    with suppress(DataError):  # it is damaged, which is the error
        current = read_current(week.folder)
    return {
        "state": _state(error),
        "exit_code": 0 if error is None else getattr(error, "exit_code", 1),
        "error": _said(error),
        "began": began.isoformat(timespec="seconds"),
        "ended": ended.isoformat(timespec="seconds"),
        "whobuys": version("whobuys"),
        **{name: current.get(name) for name in ("tables", "bundle", "scores")},
        "steps": [asdict(each) for each in week.steps],
        "findings": [asdict(each) for each in week.findings],
        "compared": compared(week.compared),
    }
