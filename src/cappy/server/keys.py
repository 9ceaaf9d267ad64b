"""Keys: which are taken, who sent one, and what of a request may go on to a language model's server."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from pathlib import Path

from cappy.errors import InputError

Headers = Sequence[tuple[bytes, bytes]]
"""Names, in lower case, and values as they came."""
ONWARD = ("authorization", "openai-organization", "openai-project")
"""All that a language model's server is told of a client's headers."""


def check_keys(keys: Iterable[str]) -> None:
    """Refuse keys that nobody means, as an unset variable of a shell gives them.

    Raises:
        InputError: a key is empty or holds white space.

    """
    for number, key in enumerate(keys, 1):
        if not key.strip():
            raise InputError(f"API key {number} is empty; an unset variable, perhaps.")
        if any(character.isspace() for character in key):
            raise InputError(f"API key {number} holds white space; give several keys by repeating the option.")


def read_keys(path: Path) -> list[str]:
    """Read keys from a file, one a line; empty lines are passed over.

    Raises:
        InputError: the file cannot be read, or holds none.

    """
    try:
        keys = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}).") from error
    if not keys:
        raise InputError(f"{path} holds no key.")
    return keys


class Keys:
    """The keys that a server takes; without any, everybody may ask."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Take keys that `check_keys` has passed."""
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
