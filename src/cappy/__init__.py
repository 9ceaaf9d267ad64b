"""Cappy: a small pretrained scorer that judges how correct a response to an instruction is."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cappy.errors import CappyError, CheckpointError, InputError, MissingExtraError
from cappy.group import Candidate, Cut, Group, GroupScores, Ranked, Ranking

if TYPE_CHECKING:
    from cappy.classify import Classifier
    from cappy.scorer import Scorer, load

__version__ = "0.1.0"
__all__ = [
    "Candidate",
    "CappyError",
    "CheckpointError",
    "Classifier",
    "Cut",
    "Group",
    "GroupScores",
    "InputError",
    "MissingExtraError",
    "Ranked",
    "Ranking",
    "Scorer",
    "__version__",
    "load",
]

# Found on first use, so that `import cappy` costs next to nothing.
_LATER = {"load": "cappy.scorer", "Scorer": "cappy.scorer", "Classifier": "cappy.classify"}


def __getattr__(name: str) -> Any:
    """Import the heavier names when they are first asked for."""
    if name not in _LATER:
        raise AttributeError(f"module 'cappy' has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
