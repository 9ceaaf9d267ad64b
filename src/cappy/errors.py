"""Errors that users can fix; every message is one sentence that says what to do."""

from __future__ import annotations


class CappyError(Exception):
    """An error that the caller can fix; its message is meant to be shown to users."""


class InputError(CappyError, ValueError):
    """Texts, files or options cannot be used."""


class CheckpointError(CappyError):
    """A checkpoint cannot be found, read or used."""


class MissingExtraError(CappyError, ImportError):
    """A feature needs packages that the base install does not include."""

    def __init__(self, what: str, extra: str) -> None:
        """Say that `what` needs the extra named `extra`."""
        super().__init__(
            f"{what} needs more packages: pip install '.[{extra}]' in a checkout, "
            f"else pip install 'cappy-scorer[{extra}]'"
        )
        self._parts = what, extra

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        """Pickle the constructor's arguments, so that worker processes can pass it on."""
        return MissingExtraError, self._parts


class LanguageModelError(CappyError):
    """A language model cannot be loaded or reached, or refuses what it is asked."""


class ClusterError(CappyError):
    """A cluster cannot be reached, or what was asked of it fails there again and again."""
