"""Groups on disk: Parquet (one row per group, with a manifest file) or JSON lines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cappy.errors import InputError, MissingExtraError
from cappy.files.atomic import atomic_file, sha256, write_json
from cappy.files.rows import format_of, read_rows
from cappy.group import Candidate, Group
from cappy.text.normalization import repair

MANIFEST = "manifest.json"


def write_groups(path: Path, groups: Sequence[Group], recipe: Mapping[str, Any]) -> None:
    """Write groups and, last, their manifest `PATH.manifest.json`: recipe, counts and hash."""
    with atomic_file(path) as beside:
        if format_of(path) == "parquet":
            write_parquet(beside, groups)
        else:
            rows = (json.dumps(group_row(group), ensure_ascii=False) + "\n" for group in groups)
            beside.write_text("".join(rows), encoding="utf-8")
    write_json(_manifest_path(path), {"recipe": dict(recipe), **group_counts(groups), "sha256": sha256(path)})


def group_counts(groups: Sequence[Group]) -> dict[str, Any]:
    """Count groups, groups by task, and candidates by origin, for manifests."""
    tasks = Counter(group.task for group in groups)
    origins = Counter(candidate.origin for group in groups for candidate in group.candidates)
    return {"groups": len(groups), "tasks": dict(sorted(tasks.items())), "candidates": dict(sorted(origins.items()))}


def group_row(group: Group) -> dict[str, Any]:
    """Return a group as plain data, the columns of a store."""
    candidates = [{"text": c.text, "label": c.label, "origin": c.origin} for c in group.candidates]
    return {"instruction": group.instruction, "candidates": candidates, "task": group.task, "template": group.template}


def write_parquet(path: Path, groups: Sequence[Group]) -> None:
    """Write groups as one Parquet file; the same groups give the same bytes. Lone surrogates become U+FFFD."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("writing Parquet", "data") from error
    candidate = pa.struct([("text", pa.string()), ("label", pa.float32()), ("origin", pa.string())])
    fields = [("instruction", pa.string()), ("candidates", pa.list_(candidate))]
    schema = pa.schema([*fields, ("task", pa.string()), ("template", pa.string())])
    rows = [_repaired(group_row(group)) for group in groups]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, compression="zstd")


def _repaired(value: Any) -> Any:
    """Replace what UTF-8 cannot encode in all texts of a row."""
    if isinstance(value, str):
        return repair(value)
    if isinstance(value, list):
        return [_repaired(item) for item in value]
    if isinstance(value, dict):
        return {key: _repaired(item) for key, item in value.items()}
    return value


def read_groups(path: Path) -> Iterator[Group]:
    """Yield the groups of a file, or of a folder that `cappy data build` made.

    Raises:
        InputError: a row is not a group; the message gives its number.

    """
    for number, row in enumerate(_rows(path), 1):
        try:
            candidates = tuple(
                Candidate(
                    str(c["text"]), None if c.get("label") is None else float(c["label"]), c.get("origin") or "choice"
                )
                for c in row["candidates"]
            )
            yield Group(str(row["instruction"]), candidates, row.get("task") or "", row.get("template") or "")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"{path}, row {number}: not a group of an instruction with candidates ({error})."
            ) from error


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_dir():
        yield from read_rows(path)
        return
    try:
        shards = json.loads(_manifest_path(path).read_text(encoding="utf-8"))["shards"]
        files = [path / shard["file"] for shard in shards]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no finished store of groups: it has no readable {MANIFEST}.") from error
    for file in files:
        yield from read_rows(file)


def _manifest_path(path: Path) -> Path:
    """Return the path of the manifest: inside a store's folder, or next to a file of groups."""
    return path / MANIFEST if path.is_dir() else path.with_name(f"{path.name}.{MANIFEST}")


def read_manifest(path: Path) -> dict[str, Any]:
    """Return the manifest of a store or of a file of groups; empty if there is none."""
    place = _manifest_path(path)
    if not place.exists():
        return {}
    try:
        found: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{place} is no readable manifest ({error}).") from error
    return found
