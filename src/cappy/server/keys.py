"""Keys: which are taken, who sent one, and what of a request may go on to a language model's server."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from pathlib import Path

from cappy.errors import InputError

Headers = Sequence[tuple[bytes, bytes]]
"""Names, in lower case, and values as they came."""
ONWARD = ("authorization", "openai-organization", "openai-project")
"""All that a language model's server is told of a client's headers."""


def check_key(key: str, where: str) -> None:
    """Refuse a key that nobody means, as an unset variable of a shell gives it; `where` says where it stands.

    Raises:
        InputError: it is empty or holds white space.

    """
    if not key.strip():
        raise InputError(f"{where}: the key is empty; an unset variable, perhaps.")
    if any(character.isspace() for character in key):
        raise InputError(f"{where}: a key holds no white space; several keys are given one by one.")


def read_keys(path: Path) -> list[str]:
    """Read keys from a file, one a line; empty lines are passed over, and space around a key.

    Raises:
        InputError: the file cannot be read, holds none, or one that is no key.

    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}).") from error
    keys = {number: line.strip() for number, line in enumerate(lines, 1) if line.strip()}
    if not keys:
        raise InputError(f"{path} holds no key.")
    for number, key in keys.items():
        check_key(key, f"{path}:{number}")
    return list(keys.values())


class Keys:
    """The keys that a server takes; without any, everybody may ask."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Take keys that `check_key` has passed."""
        self._digests = [_digest(key.encode()) for key in keys]
        self._keys = [key.encode() for key in keys]

    def __bool__(self) -> bool:
        """Tell whether a key is asked for."""
        return bool(self._keys)

    def admit(self, headers: Headers) -> bool:
        """Tell whether a request has a key, as `Authorization: Bearer KEY` or `X-API-Key: KEY`."""
        given = _values(headers, b"x-api-key")
        for value in _values(headers, b"authorization"):
            kind, _, rest = value.partition(b" ")
            given += [rest.strip()] if kind.lower() == b"bearer" else []
        return sum(map(self._known, given)) > 0

    def onward(self, headers: Headers) -> dict[str, str]:
        """Return the headers that may go on to a language model's server: `ONWARD`, each given once and without a key.

        A header that holds one of the server's keys stays here, whatever stands around the key.
        """
        found = {}
        for name in ONWARD:
            values = _values(headers, name.encode())
            if len(values) == 1 and not any(key in values[0] for key in self._keys):
                found[name] = values[0].decode("latin-1")
        return found

    def _known(self, given: bytes) -> bool:
        """Compare with every key, each in constant time, so that the time tells nothing."""
        found = _digest(given)
        return bool(sum(hmac.compare_digest(found, key) for key in self._digests))


def _values(headers: Headers, name: bytes) -> list[bytes]:
    return [value for found, value in headers if found == name]


def _digest(key: bytes) -> bytes:
    """Make keys of all lengths alike long, as a comparison in constant time wants them."""
    return hashlib.sha256(key).digest()
