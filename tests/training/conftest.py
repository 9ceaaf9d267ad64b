"""The data that tests of training share."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.training.toy import TEMPLATES


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    colours = ["red", "blue", "green"]
    rows = [
        {
            "template": "qasc_toy",
            "instruction": f"the colour of {i} is {colours[i % 3]} . what is it ?",
            "response": colours[i % 3],
        }
        for i in range(300)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "rendered.parquet")
    (folder / "train").mkdir()
    toy = [json.dumps({"text": f"the film {i} is {['terrible', 'great'][i % 2]}", "label": i % 2}) for i in range(300)]
    (folder / "train" / "toy.jsonl").write_text("\n".join(toy))
    (folder / "promptsource_templates" / "toy").mkdir(parents=True)
    (folder / "promptsource_templates" / "toy" / "templates.yaml").write_text(TEMPLATES)
    return folder
