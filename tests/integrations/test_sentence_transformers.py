"""sentence-transformers: an exported scorer gives CrossEncoder the scores of the joint layout."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import cappy
from cappy.cli.app import app
from tests.integrations.conftest import ASKED, TEXTS
from tests.integrations.page import run_block

library = pytest.importorskip(
    "sentence_transformers", reason="sentence-transformers is not installed: make test-neighbours"
)


def test_cross_encoder_gives_the_joint_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = "cappy-mini"
    assert CliRunner().invoke(app, ["export", "mini", "-o", folder, "--dtype", "fp32"]).exit_code == 0
    found = library.CrossEncoder(folder, device="cpu").predict([(ASKED, text) for text in TEXTS])
    expected = cappy.load(folder, layout="joint", precision="fp32").score(ASKED, TEXTS)
    assert found.tolist() == pytest.approx(expected.tolist(), abs=1e-5)
    run_block("CrossEncoder(", capsys)
