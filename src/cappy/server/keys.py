"""API keys: which are accepted, and which request headers are forwarded to a language model's server."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from pathlib import Path

from cappy.errors import InputError

Headers = Sequence[tuple[bytes, bytes]]
"""Lower-case names, and values as received."""
ONWARD = ("authorization", "openai-organization", "openai-project")
"""The only client headers forwarded to a language model's server."""


def check_key(key: str, where: str) -> None:
    """Refuse an empty or malformed key, for example from an unset shell variable; `where` names its source.

    Raises:
        InputError: it is empty or contains white space.

    """
    if not key.strip():
        raise InputError(f"{where}: the key is empty; is a variable unset?")
    if any(character.isspace() for character in key):
        raise InputError(f"{where}: a key must not contain white space; give several keys one by one.")


def read_keys(path: Path) -> list[str]:
    """Read keys from a file, one per line; empty lines and surrounding space are ignored.

    Raises:
        InputError: the file cannot be read, contains no key, or contains an invalid one.

    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}).") from error
    keys = {number: line.strip() for number, line in enumerate(lines, 1) if line.strip()}
    if not keys:
        raise InputError(f"{path} contains no key.")
    for number, key in keys.items():
        check_key(key, f"{path}:{number}")
    return list(keys.values())


class Keys:
    """The accepted keys; if there are none, requests need no key."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Take keys that passed `check_key`."""
        self._digests = [_digest(key.encode()) for key in keys]
        self._keys = [key.encode() for key in keys]

    def __bool__(self) -> bool:
        """Tell whether a key is required."""
        return bool(self._keys)

    def admit(self, headers: Headers) -> bool:
        """Tell whether a request has a valid key, as `Authorization: Bearer KEY` or `X-API-Key: KEY`."""
        given = _values(headers, b"x-api-key")
        for value in _values(headers, b"authorization"):
            kind, _, rest = value.partition(b" ")
            given += [rest.strip()] if kind.lower() == b"bearer" else []
        return sum(map(self._known, given)) > 0

    def onward(self, headers: Headers) -> dict[str, str]:
        """Return the headers to forward to a language model's server: those of `ONWARD` that were given exactly once.

        A header that contains one of this server's keys is not forwarded.
        """
        found = {}
        for name in ONWARD:
            values = _values(headers, name.encode())
            if len(values) == 1 and not any(key in values[0] for key in self._keys):
                found[name] = values[0].decode("latin-1")
        return found

    def _known(self, given: bytes) -> bool:
        """Compare with every key in constant time, so that timing reveals nothing."""
        found = _digest(given)
        return bool(sum(hmac.compare_digest(found, key) for key in self._digests))


def _values(headers: Headers, name: bytes) -> list[bytes]:
    return [value for found, value in headers if found == name]


def _digest(key: bytes) -> bytes:
    """Hash keys to equal length, as constant-time comparison requires."""
    return hashlib.sha256(key).digest()
