"""A training becomes a run, a registered model and its alias in MLflow, an evaluation and a tuning a run of its own each.

Nothing else in whobuys knows MLflow, and it is loaded only when used.
"""

from training.tracking.evaluations import log_evaluation
from training.tracking.registry import Registered, mirror_champion, registered
from training.tracking.runs import Run, Version, tracked
from training.tracking.store import Store
from training.tracking.trainings import log_training
from training.tracking.tunings import log_tuning

__all__ = [
    "Registered",
    "Run",
    "Store",
    "Version",
    "log_evaluation",
    "log_training",
    "log_tuning",
    "mirror_champion",
    "registered",
    "tracked",
]
