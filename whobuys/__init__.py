"""I have these products; which of my customers will buy them? The public names, each loaded when it is first used.

>>> sorted(set(__all__) - {"__version__"})
['Audience', 'Bundle', 'Members', 'ProductSet', 'Scores', 'Shop', 'Snapshot']
"""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from features.products import ProductSet
    from features.shop import Shop
    from features.snapshot import Snapshot
    from models.bundle import Bundle
    from serving.audiences import Audience, Members
    from serving.scores import Scores

__version__ = "0.1.0"
__all__ = ["Audience", "Bundle", "Members", "ProductSet", "Scores", "Shop", "Snapshot", "__version__"]

_HOMES = {
    "Audience": "serving.audiences",
    "Bundle": "models.bundle",
    "Members": "serving.audiences",
    "ProductSet": "features.products",
    "Scores": "serving.scores",
    "Shop": "features.shop",
    "Snapshot": "features.snapshot",
}
_SIBLINGS = ("features", "models", "serving", "training")


def _check_siblings() -> None:
    """Raise ImportError when Python finds somebody else's ``models`` (or ``features``, ...) before ours: the names are common ones."""
    home = Path(__file__).resolve().parent.parent
    for name in _SIBLINGS:
        spec = find_spec(name)
        found = Path(spec.origin).resolve() if spec and spec.origin else None
        if found == home / name / "__init__.py":
            continue
        advice = "rename that one, start Python in another folder, or give whobuys an environment of its own"
        found_instead = f"{found} first: {advice}" if found else "none: install whobuys anew"
        raise ImportError(f"whobuys needs its own package {name!r} in {home}, but Python finds {found_instead}")


_check_siblings()

if not TYPE_CHECKING:  # a type checker reads the imports above; seeing this function, it would believe any misspelt name

    def __getattr__(name):
        if name not in _HOMES:
            raise AttributeError(f"module 'whobuys' has no attribute {name!r}; it has {', '.join(__all__)}")
        return getattr(import_module(_HOMES[name]), name)

    def __dir__():
        return sorted(set(globals()) | set(__all__))
