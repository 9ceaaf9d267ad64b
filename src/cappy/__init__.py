"""Cappy: a small pretrained scorer that judges how correct a response to an instruction is."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cappy.errors import CappyError, CheckpointError, InputError, LanguageModelError, MissingExtraError
from cappy.group import Candidate, Cut, Group, GroupScores, Ranked, Ranking

if TYPE_CHECKING:
    from cappy.adaptation.examples import adapt
    from cappy.boost import BestOfN
    from cappy.classifier import Classifier
    from cappy.explanation.occlusion import explain
    from cappy.group import Example
    from cappy.llm.find import find_llm
    from cappy.scorer import Scorer, load
    from cappy.selection.task import learn_choosing

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
    "Classifier": "cappy.classifier",
    "Example": "cappy.data.source",
    "Scorer": "cappy.scorer",
    "adapt": "cappy.adaptation.examples",
    "explain": "cappy.explanation.occlusion",
    "find_llm": "cappy.llm.find",
    "learn_choosing": "cappy.selection.task",
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
