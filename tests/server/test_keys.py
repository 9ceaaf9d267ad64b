"""Keys that nobody means, and what never leaves the server."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cappy.errors import InputError
from cappy.server.keys import Keys, read_keys
from cappy.server.settings import Settings
from tests.cli.test_commands import run

SERVE = ("serve", "--port", "0", "-m", "no-such-scorer")


@pytest.mark.parametrize("key", ["", " ", "\t\n", "my secret phrase", "key\n"])
def test_a_key_that_is_none_is_refused_at_the_start(key: str) -> None:
    asked = (("--api-key", run(*SERVE, "--api-key", key)), ("CAPPY_API_KEY", run(*SERVE, CAPPY_API_KEY=key)))
    for where, result in asked:
        assert result.returncode == 2
        assert f"{where}: " in result.stderr.decode()
        assert not key.strip() or key.encode() not in result.stderr
    assert run(*SERVE, "--llm", "http://localhost:1/v1", "--llm-key", key).returncode == 2
    with pytest.raises(InputError, match="API key 2: "):
        Settings(api_keys=("good", key))


def test_a_server_that_others_can_reach_wants_a_key_or_to_be_told() -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "cappy.lan"):
        result = run(*SERVE, "--host", host)
        assert result.returncode == 2 and b"--no-auth" in result.stderr
    assert b"no-such-scorer" in run(*SERVE, "--host", "0.0.0.0", "--no-auth").stderr  # the next thing that is wrong
    assert b"no-such-scorer" in run(*SERVE, "--host", "0.0.0.0", CAPPY_API_KEY="k").stderr
    assert b"no-such-scorer" in run(*SERVE, "--host", "127.0.0.9").stderr
    assert b"no-such-scorer" in run(*SERVE, "--host", "[::1]").stderr
    assert b"contradicts the given API key" in run(*SERVE, "--no-auth", "--api-key", "k").stderr


def test_keys_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_bytes(b"\xef\xbb\xbfone\n\n two \r\n")  # as an editor on Windows writes it
    assert read_keys(file) == ["one", "two"]
    file.write_text("one\n# for the others\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"keys:2: a key must not contain white space"):
        read_keys(file)
    file.write_text("\n \n", encoding="utf-8")
    with pytest.raises(InputError, match="contains no key"):
        read_keys(file)
    assert run(*SERVE, "--api-key-file", str(tmp_path / "none")).returncode == 2


def test_who_is_admitted() -> None:
    keys = Keys(["one", "two"])
    assert keys.admit([(b"authorization", b"Bearer two")]) and keys.admit([(b"x-api-key", b"one")])
    assert keys.admit([(b"authorization", b"Bearer theirs"), (b"authorization", b"bearer  one ")])
    for headers in ([], [(b"authorization", b"one")], [(b"authorization", b"Basic one")], [(b"x-api-key", b"on")]):
        assert not keys.admit(headers)
    assert not Keys([])


def test_what_goes_on_is_decided_once() -> None:
    theirs = (b"authorization", b"Bearer theirs")
    for keys in (Keys(["one"]), Keys([])):
        assert keys.onward([theirs, (b"x-api-key", b"one"), (b"cookie", b"a"), (b"openai-project", b"p")]) == {
            "authorization": "Bearer theirs",
            "openai-project": "p",
        }
        assert keys.onward([theirs, (b"authorization", b"Bearer other")]) == {}
    for own in (b"one", b"Bearer one", b"Token token=one", b"bearer\tone"):
        assert Keys(["one"]).onward([(b"authorization", own)]) == {}
        assert Keys(["one"]).onward([(b"authorization", own), theirs]) == {}
        assert Keys(["one"]).onward([theirs, (b"authorization", own)]) == {}


names = st.sampled_from([b"authorization", b"x-api-key", b"openai-organization", b"openai-project", b"cookie", b"x"])
values = st.binary(max_size=12) | st.sampled_from([b"Bearer s3cret", b"s3cret", b"Basic s3cret", b"Bearer theirs"])


@given(st.lists(st.tuples(names, values), max_size=6))
def test_no_header_with_a_key_ever_goes_on(headers: list[tuple[bytes, bytes]]) -> None:
    onward = Keys(["s3cret"]).onward(headers)
    assert not any("s3cret" in value for value in onward.values())
    assert set(onward) <= {"authorization", "openai-organization", "openai-project"}
