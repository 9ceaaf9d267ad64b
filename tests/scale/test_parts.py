"""Parts of files: every row in one part, whatever the format, read alone or in any order."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cappy.errors import InputError
from cappy.files.rows import scan_rows
from cappy.scale.parts import PartReader, find_parts

LINES = [json.dumps({"instruction": f"what is {i} ?", "response": "yes"}) for i in range(25)]
LINES[3:3] = ["", "broken", "  "]


def written(folder: Path, ending: str) -> Path:
    path = folder / f"in.{ending}"
    rows = [json.loads(line) for line in LINES if line.startswith("{")]
    if ending == "jsonl":
        path.write_text("\n".join(LINES))  # no line break at the end
    elif ending == "jsonl.gz":
        path.write_bytes(gzip.compress("\n".join(LINES).encode()))
    elif ending == "csv":
        cells = "".join(f'"{row["instruction"]}\nmore",{row["response"]}\n' for row in rows)
        path.write_text(f"instruction,response\n{cells}")
    else:
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=4)
    return path


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "csv", "parquet"])
def test_parts_hold_every_row_once(tmp_path: Path, ending: str) -> None:
    path = written(tmp_path, ending)
    whole = [row for _, row in scan_rows(path)]
    parts = find_parts(path, 4)
    assert [part.rows for part in parts] == [4] * (len(whole) // 4) + ([len(whole) % 4] if len(whole) % 4 else [])
    reader = PartReader(path)
    read = {part.first: [row for _, row in reader.read(part)] for part in [*parts[::2], *parts[1::2]]}
    rows = [row for first in sorted(read) for row in read[first]]
    assert [str(row).replace("number=", "") for row in rows if not isinstance(row, dict)] or ending in (
        "csv",
        "parquet",
    )
    assert [row for row in rows if isinstance(row, dict)] == [row for row in whole if isinstance(row, dict)]
    assert [isinstance(row, dict) for row in rows] == [isinstance(row, dict) for row in whole]
    assert find_parts(path, 4, skip=8) == parts[2:]


def test_files_that_changed_or_are_gone(tmp_path: Path) -> None:
    path = written(tmp_path, "jsonl")
    parts = find_parts(path, 10)
    path.write_text("\n".join(LINES[:15]))
    with pytest.raises(InputError, match="changed"):
        PartReader(path).read(parts[-1])
    path.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        PartReader(path).read(parts[0])
    with pytest.raises(InputError, match="cannot be read"):
        find_parts(path, 10)
    (tmp_path / "empty.jsonl").touch()
    assert find_parts(tmp_path / "empty.jsonl", 10) == []
