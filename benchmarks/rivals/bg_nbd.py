"""BG/NBD of lifetimes: who orders most within the horizon, whatever the set (Fader, Hardie, Lee 2005).

python bg_nbd.py FOLDER
"""

import sys
import warnings
from pathlib import Path

import numpy as np
from exchange import Past, Scores, write
from lifetimes import BetaGeoFitter

PENALTY = 0.001


def scores(past: Past) -> Scores:
    """The order days expected of every customer, the same for all sets: customers x sets."""
    days = past.lines[["customer", "ago"]].drop_duplicates().groupby("customer")["ago"].agg(["size", "min", "max"])
    repeats, active, age = days["size"] - 1, days["max"] - days["min"], days["max"]
    model = BetaGeoFitter(penalizer_coef=PENALTY)
    model.fit(repeats, active, age)
    expected = np.zeros(len(past.customers), np.float32)
    expected[days.index] = model.conditional_expected_number_of_purchases_up_to_time(past.horizon, repeats, active, age)
    return np.broadcast_to(np.nan_to_num(expected)[:, None], (len(past.customers), len(past.sets)))


def main(folder: Path) -> None:
    warnings.filterwarnings("ignore")
    past = Past.read(folder)
    write(folder, past, scores(past), settings=f"penalty {PENALTY:g}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
