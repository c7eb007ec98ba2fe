"""A training becomes a run, a registered model and its alias in MLflow, an evaluation and a tuning a run of its own each,
and a week one with children.

Nothing else in whobuys knows MLflow, and it is loaded only when used.
"""

from training.tracking.evaluations import log_evaluation
from training.tracking.registry import Registered, forget, mirror_champion, registered
from training.tracking.runs import Run, Version, tracked
from training.tracking.store import Store
from training.tracking.trainings import log_training
from training.tracking.tunings import log_tuning
from training.tracking.weeks import log_step, tracked_week

__all__ = [
    "Registered",
    "Run",
    "Store",
    "Version",
    "forget",
    "log_evaluation",
    "log_step",
    "log_training",
    "log_tuning",
    "mirror_champion",
    "registered",
    "tracked",
    "tracked_week",
]
