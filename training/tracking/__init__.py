"""A training becomes a run, a registered model and its alias in MLflow, an evaluation a run of its own.

Nothing else in whobuys knows MLflow, and it is loaded only when used.
"""

from training.tracking.evaluations import log_evaluation
from training.tracking.runs import Run, Version, mirror_champion, tracked
from training.tracking.store import Store
from training.tracking.trainings import log_training

__all__ = ["Run", "Store", "Version", "log_evaluation", "log_training", "mirror_champion", "tracked"]
