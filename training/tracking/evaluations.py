"""An evaluation becomes everything that MLflow keeps of it: a run of its own with measures, tables, drawings and the page."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from training.tracking.runs import tracked


def log_evaluation(
    shop_folder: Path,
    *,
    facts: Mapping[str, str],
    measures: Mapping[str, float],
    tables: Mapping[str, pd.DataFrame],
    page: str = "",
    name: str = "",
) -> str:
    """Open a run tagged ``kind`` = evaluation and log all of it; its id comes back. Drawings are made from ``tables``; ``page`` is HTML, empty: none.

    ``name`` is the shop's, empty: its folder's. Raises ValueError for a table with a personal column,
    DataError naming the store when it does not answer or refuses.
    """
    from models.plots import drawings, save

    with tempfile.TemporaryDirectory() as folder, tracked(shop_folder, name) as run:
        figures = {title: save(figure, Path(folder) / f"{title}.png") for title, figure in drawings(tables).items()}
        run.log("evaluation", facts=facts, measures=measures, tables=tables, figures=figures, texts={"evaluation.html": page} if page else {})
        return run.run_id
