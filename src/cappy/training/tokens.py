"""Token files: encoded groups in flat files on disk, which all processes of a run map and none holds in memory.

`tokens.bin` holds the ids of every group, its instruction first; `segments.bin` a record for every candidate;
`groups.bin` a record for every group, sorted by set. `manifest.json` says what they were made from.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, overload

import numpy as np
from numpy.typing import NDArray

from cappy.files.atomic import write_json
from cappy.layout.batches import Size
from cappy.layout.encode import EncodedGroup
from cappy.training.batches import TrainingGroup
from cappy.training.sizes import Sizes

FORMAT = 1
MANIFEST = "manifest.json"
TOKENS, SEGMENTS, GROUPS = "tokens.bin", "segments.bin", "groups.bin"


def narrowest(largest: int) -> str:
    """Return the type of unsigned integers up to `largest`, in two or four bytes."""
    return "<u2" if largest < 2**16 else "<u4"


def _segment_type(length: str) -> np.dtype[Any]:
    return np.dtype([("length", length), ("boundary", length), ("label", "<f4")])


def _group_type(length: str) -> np.dtype[Any]:
    """Return the type of a group's record: where it begins, its `Size`, its task, and whether it is graded."""
    places = [("token", "<i8"), ("segment", "<i8")]
    sizes = [("segments", "<i4"), ("row", "<i4"), ("prefix", length), ("longest", length)]
    return np.dtype([*places, *sizes, ("task", "<i4"), ("graded", "?")])


class TokenWriter:
    """Writes token files into a folder. Groups arrive lot by lot in any order; none of them stay in memory."""

    def __init__(self, folder: Path, largest_id: int, longest: int) -> None:
        """Write into `folder`; no token id is above `largest_id`, and no sequence is longer than `longest` tokens."""
        self.folder = folder
        self.types = {"token": narrowest(largest_id), "length": narrowest(longest)}
        self._files = ExitStack()
        self._tokens, self._segments = self._create(TOKENS), self._create(SEGMENTS)
        self._lots: dict[int, BinaryIO] = {}
        self.counts: dict[int, int] = {}
        self._tasks: dict[str, int] = {}
        self._token = self._segment = 0
        self._digest = hashlib.sha256()

    @property
    def digest(self) -> str:
        """The SHA-256 of the tokens, lengths and labels so far: what a run trains on, wherever it came from."""
        return self._digest.hexdigest()

    def __enter__(self) -> TokenWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def add(self, lot: int, groups: Sequence[TrainingGroup]) -> None:
        """Append groups to the lot of this number."""
        records = np.empty(len(groups), dtype=_group_type(self.types["length"]))
        ids: list[int] = []
        rows: list[tuple[int, int, float]] = []
        for number, group in enumerate(groups):
            encoded, size = group.encoded, Size.of(group.encoded)
            place = self._token + len(ids), self._segment + len(rows)
            task = self._tasks.setdefault(group.task, len(self._tasks))
            records[number] = (*place, size.segments, size.row, size.prefix, size.longest, task, group.graded)
            ids.extend(encoded.prefix)
            for segment, boundary, label in zip(encoded.segments, encoded.boundaries, group.labels, strict=True):
                ids.extend(segment)
                rows.append((len(segment), boundary, label))
        self._token, self._segment = self._token + len(ids), self._segment + len(rows)
        parts = np.array(ids, self.types["token"]), np.array(rows, _segment_type(self.types["length"]))
        for file, part in zip((self._tokens, self._segments), (one.tobytes() for one in parts), strict=True):
            file.write(part)
            self._digest.update(part)
        if lot not in self._lots:
            self._lots[lot] = self._create(f"{lot}.{GROUPS}")
        self._lots[lot].write(records.tobytes())
        self.counts[lot] = self.counts.get(lot, 0) + len(groups)

    def finish(
        self, sets: Mapping[str, Iterable[int]], facts: Mapping[str, Any], orders: Mapping[int, Sequence[int]]
    ) -> None:
        """Join the lots of each set, and write the manifest with `facts`.

        Groups of a lot stay in the order of their arrival, or get the one in `orders`, their old numbers.
        """
        ranges: dict[str, tuple[int, int]] = {}
        written = 0
        with self._create(GROUPS) as out:
            for name, lots in sets.items():
                start = written
                for lot in lots:
                    self._lots[lot].seek(0)
                    if lot in orders:
                        records = np.frombuffer(self._lots[lot].read(), dtype=_group_type(self.types["length"]))
                        out.write(records[np.array(orders[lot], dtype=np.int64)].tobytes())
                    else:
                        shutil.copyfileobj(self._lots[lot], out, 1 << 20)
                    written += self.counts[lot]
                ranges[name] = (start, written)
        self._files.close()
        for lot in self._lots:
            (self.folder / f"{lot}.{GROUPS}").unlink()
        sizes = {name: (self.folder / name).stat().st_size for name in (TOKENS, SEGMENTS, GROUPS)}
        mine = {
            "format": FORMAT,
            "types": self.types,
            "sets": ranges,
            "tasks": list(self._tasks),
            "bytes": sizes,
            "digest": self.digest,
        }
        write_json(self.folder / MANIFEST, {**mine, **facts})

    def _create(self, name: str) -> BinaryIO:
        return self._files.enter_context((self.folder / name).open("w+b"))


class TokenGroups(Sequence[TrainingGroup]):
    """The groups of a set, made from mapped files when they are asked for. Pickled as the place of the files."""

    def __init__(self, folder: Path, name: str) -> None:
        """Map the files of a finished folder and take its set `name`."""
        self._folder, self._name = folder, name
        manifest = read_manifest(folder)
        types, (start, stop) = manifest["types"], manifest["sets"][name]
        self._tasks: list[str] = manifest["tasks"]
        self._tokens = _mapped(folder / TOKENS, np.dtype(types["token"]))
        self._segments = _mapped(folder / SEGMENTS, _segment_type(types["length"]))
        self._groups = _mapped(folder / GROUPS, _group_type(types["length"]))[start:stop]

    def __reduce__(self) -> tuple[Any, ...]:
        return TokenGroups, (self._folder, self._name)

    def __len__(self) -> int:
        return len(self._groups)

    @property
    def sizes(self) -> Sizes:
        """The sizes of all groups, as views of the files."""
        return Sizes(*(self._groups[name] for name in ("prefix", "segments", "longest", "row")))

    @overload
    def __getitem__(self, number: int) -> TrainingGroup: ...
    @overload
    def __getitem__(self, number: slice) -> list[TrainingGroup]: ...
    def __getitem__(self, number: int | slice) -> TrainingGroup | list[TrainingGroup]:
        """Return a group, or a list of several."""
        if isinstance(number, slice):
            return [self[place] for place in range(*number.indices(len(self)))]
        token, segment, count, row, prefix, _, task, graded = self._groups[number].item()
        parts = self._segments[segment : segment + count]
        ids = self._tokens[token : token + prefix + row].tolist()
        ends = np.cumsum(parts["length"], dtype=np.int64) + prefix
        starts = [prefix, *ends[:-1].tolist()]
        segments = tuple(tuple(ids[start:end]) for start, end in zip(starts, ends.tolist(), strict=True))
        encoded = EncodedGroup(tuple(ids[:prefix]), segments, tuple(parts["boundary"].tolist()), ())
        return TrainingGroup(encoded, parts["label"].astype(np.float32), self._tasks[task], graded)

    def __iter__(self) -> Iterator[TrainingGroup]:
        return (self[place] for place in range(len(self)))


def _mapped(path: Path, kind: np.dtype[Any]) -> NDArray[Any]:
    if not path.stat().st_size:  # an empty file cannot be mapped
        return np.empty(0, dtype=kind)
    # As a plain array: slices of a memmap are objects with attributes of their own, and slow to make.
    return np.asarray(np.memmap(path, dtype=kind, mode="r"))


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of token files; empty if they are missing, half-written or in another format."""
    try:
        found: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        sizes = {name: (folder / name).stat().st_size for name in (TOKENS, SEGMENTS, GROUPS)}
    except (OSError, ValueError):
        return {}
    return found if (found.get("format"), found.get("bytes")) == (FORMAT, sizes) else {}
