"""A tuning becomes everything that MLflow keeps of it: a run of its own with its figures and the tables of trials."""

from pathlib import Path

from training.choice import Tuning
from training.tracking.runs import tracked


def log_tuning(shop_folder: Path, found: Tuning, *, seed: int, tables: str, name: str = "") -> str:
    """Open a run tagged ``kind`` = tune and log all of it; its id comes back. What won stands among the parameters as ``model.<setting>``.

    ``tables`` is the id of the tables it was made of, ``name`` the shop's, empty: its folder's. Raises DataError naming the store when it does not
    answer or refuses.
    """
    origins = ", ".join(map(str, found.origins))
    facts = {"as_of": str(found.as_of), "horizon": str(found.horizon), "origins": origins, "confirmed_on": str(found.newest), "tables": tables}
    chosen = {f"model.{setting}": value for setting, value in (found.settings or {}).items()}
    params = {"trials": len(found.trials) - 1, "seed": seed, **chosen}
    with tracked(shop_folder, name) as run:
        run.log("tune", facts=facts, params=params, measures=found.measures(), tables={"trials": found.table(), "by_origin": found.by_origin()})
        return run.run_id
