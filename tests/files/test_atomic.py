from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from cappy.files.atomic import atomic_file, atomic_folder, sha256


def test_atomic_writing_leaves_the_old_in_place_on_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_text("old")
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "file") as beside:
        beside.write_text("new")
        raise RuntimeError
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "folder") as inside:
        (inside / "a").write_text("new")
        raise RuntimeError
    assert (tmp_path / "file").read_text() == "old"
    assert (tmp_path / "folder" / "a").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_hash_covers_the_whole_of_a_long_file(tmp_path: Path) -> None:
    content = b"a" * (1 << 20) + b"b"
    (tmp_path / "file").write_bytes(content)
    assert sha256(tmp_path / "file") == hashlib.sha256(content).hexdigest()
