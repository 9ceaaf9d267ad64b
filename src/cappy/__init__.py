"""Cappy: a small pretrained scorer that judges how correct a response to an instruction is."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cappy.errors import CappyError, CheckpointError, InputError, LanguageModelError, MissingExtraError
from cappy.group import Candidate, Cut, Group, GroupScores, Ranked, Ranking

if TYPE_CHECKING:
    from cappy.adaptation import adapt
    from cappy.boost import BestOfN
    from cappy.choosing.task import learn_choosing
    from cappy.classify import Classifier
    from cappy.data.examples import Example
    from cappy.llm.find import find_llm
    from cappy.occlusion import explain
    from cappy.scorer import Scorer, load

__version__ = "0.1.0"
__all__ = [
    "BestOfN",
    "Candidate",
    "CappyError",
    "CheckpointError",
    "Classifier",
    "Cut",
    "Example",
    "Group",
    "GroupScores",
    "InputError",
    "LanguageModelError",
    "MissingExtraError",
    "Ranked",
    "Ranking",
    "Scorer",
    "__version__",
    "adapt",
    "explain",
    "find_llm",
    "learn_choosing",
    "load",
]

# Found on first use, so that `import cappy` costs next to nothing.
_LATER = {
    "BestOfN": "cappy.boost",
    "Classifier": "cappy.classify",
    "Example": "cappy.data.examples",
    "Scorer": "cappy.scorer",
    "adapt": "cappy.adaptation",
    "explain": "cappy.occlusion",
    "find_llm": "cappy.llm.find",
    "learn_choosing": "cappy.choosing.task",
    "load": "cappy.scorer",
}


def __getattr__(name: str) -> Any:
    """Import the heavier names when they are first asked for."""
    if name not in _LATER:
        raise AttributeError(f"module 'cappy' has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
