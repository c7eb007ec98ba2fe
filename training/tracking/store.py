"""A shop folder and the environment become the place where MLflow keeps runs: reached before anything is fitted, or one clear message."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from types import ModuleType
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import urlopen

from features.errors import DataError

URI, RUN_ID = "MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID"
EXPERIMENT = ("MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID")
SECONDS = 10


@dataclass(frozen=True)
class Store:
    """Where runs are kept. ``artifacts`` is the folder of their files, None when the store decides; ``run_id`` a run that was begun for us."""

    uri: str
    artifacts: str | None = None
    run_id: str | None = None

    @classmethod
    def of(cls, shop_folder: Path) -> "Store":
        """What ``MLFLOW_TRACKING_URI`` and ``MLFLOW_RUN_ID`` say, as ``mlflow run`` sets them; else mlflow.db and mlruns/ in the shop folder."""
        run_id = os.environ.get(RUN_ID) or None
        if uri := os.environ.get(URI):
            return cls(uri, None, run_id)
        folder = shop_folder.resolve()
        return cls(f"sqlite:///{folder / 'mlflow.db'}", (folder / "mlruns").as_uri(), run_id)

    @property
    def shown(self) -> str:
        """The address as messages name it: without a password.

        >>> Store("http://ann:secret@tracking:5000/x").shown
        'http://tracking:5000/x'
        """
        parts = urlsplit(self.uri)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if parts.netloc else self.uri

    @property
    def begun(self) -> bool:
        """Whether anything can be there already: False for a database file that is still to be made."""
        parts = urlsplit(self.uri)
        return parts.scheme != "sqlite" or Path(self.uri.removeprefix("sqlite:///")).is_file()

    def reach(self) -> None:
        """Raise DataError when a tracking server does not answer; MLflow itself would try for minutes."""
        parts = urlsplit(self.uri)
        if parts.scheme not in ("http", "https"):
            return
        address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], path=parts.path.rstrip("/") + "/health", query="", fragment=""))
        try:
            with urlopen(address, timeout=SECONDS):
                pass
        except HTTPError:
            return  # it answers; what it thinks of us is seen at the first real question
        except (URLError, HTTPException, OSError, ValueError) as error:
            reason = error.reason if isinstance(error, URLError) else error
            raise DataError(f"the MLflow tracking server {self.shown} does not answer ({reason}); {self.advice}") from None

    @property
    def advice(self) -> str:
        """What to do when it cannot be used."""
        if os.environ.get(URI):
            return f"start it, or unset {URI} to keep runs in the shop's folder"
        return "make room on the disk; or where the file is damaged, move it away: past runs are gone with it, bundles and scores are not"

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Turn what MLflow raises inside into one DataError that names the store."""
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (MlflowException, SQLAlchemyError, OSError) as error:
            said = (str(error).splitlines() or ["no reason given"])[0].replace(self.uri, self.shown)
            raise DataError(f"the MLflow store {self.shown} refuses: {said}; {self.advice}") from None

    @contextmanager
    def used(self) -> Iterator[ModuleType]:
        """MLflow, speaking to this store; afterwards what it spoke to before, also when one is used inside another. The variable that MLflow sets to
        its address is put back at once."""
        mlflow = load_mlflow()
        before, outer = os.environ.get(URI), _USED[-1] if _USED else None
        with self.asked():
            mlflow.set_tracking_uri(self.uri)
        _USED.append(self.uri)
        try:
            _put_back(before)
            yield mlflow
        finally:
            _USED.pop()
            mlflow.set_tracking_uri(outer)
            _put_back(before)


_USED: list[str] = []
"""The addresses of the stores that are in use, one inside the other."""


def _put_back(address: str | None) -> None:
    if address is None:
        os.environ.pop(URI, None)
    else:
        os.environ[URI] = address


def load_mlflow() -> ModuleType:
    """MLflow without telemetry, reports of routine, and addresses on stdout; it takes seconds to import, so only where it is used."""
    for variable in ("MLFLOW_DISABLE_TELEMETRY", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"):
        os.environ.setdefault(variable, "true")
    _hush()
    import mlflow
    import mlflow.pyfunc

    _hush()
    return mlflow


def _hush() -> None:
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("mlflow.store.db").setLevel(logging.CRITICAL)  # its tracebacks are of what it raises as well
