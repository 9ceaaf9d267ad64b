"""A saved checkpoint gives the joint layout's scores in sentence-transformers and in transformers' pipeline."""

from __future__ import annotations

import json
import shutil
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import cappy
from cappy.checkpoint.checkpoint import read_checkpoint
from cappy.checkpoint.save import save_checkpoint, scorer_config
from cappy.cli.app import app
from cappy.data.store import write_groups
from cappy.errors import InputError
from cappy.evaluation.labelled.interoperability import compare_layouts, cross_encoder_scores, pipeline_scores
from cappy.group import Candidate, Group

GROUPS = [
    Group("what is the capital of france ?", (Candidate("paris", 1.0), Candidate("a great city", 0.0))),
    Group("good movie", (Candidate("yes", 1.0), Candidate("no", 0.0), Candidate("maybe the one or the two", 0.0))),
    Group("is water blue ? " * 3, (Candidate("water", 0.0), Candidate("true", 1.0))),
]
SPECIALS = {
    "bert": {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"},
    "roberta": {"pad_token": "<pad>", "cls_token": "<s>", "sep_token": "</s>", "unk_token": "<unk>"},
}


def saved(source: Path, family: str, folder: Path) -> Path:
    """Save as a release is saved, with a bias that a sigmoid would not let pass."""
    checkpoint = read_checkpoint(source)
    weights = checkpoint.read_weights()
    bias = "classifier.bias" if family == "bert" else "classifier.out_proj.bias"
    weights[bias] = weights[bias] + np.float32(3)
    save_checkpoint(folder, scorer_config(checkpoint.config, {}), weights, source, "# card\n", dtype="float32")
    kind = "BertTokenizer" if family == "bert" else "RobertaTokenizer"
    settings = {"model_max_length": 96, "tokenizer_class": kind, **SPECIALS[family]}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def test_other_stacks_give_the_joint_scores(bert: Path, tmp_path: Path) -> None:
    folder = saved(bert, "bert", tmp_path / "saved")
    expected = [scored.scores for scored in cappy.load(folder, layout="joint", precision="fp32").score_groups(GROUPS)]
    assert max(max(scores) for scores in expected) > 1
    for found in (cross_encoder_scores(folder, GROUPS), pipeline_scores(folder, GROUPS)):
        assert [len(scores) for scores in found] == [2, 3, 2]
        for one, other in zip(found, expected, strict=True):
            assert one == pytest.approx(other, abs=1e-5)


def test_the_bundled_scorer_in_other_stacks() -> None:
    folder = Path(cappy.__file__).parent / "models" / "cappy-mini"
    result = compare_layouts(folder, GROUPS)
    assert (result.groups, result.left_out) == (3, 0)
    assert result.cross_encoder < 1e-4
    assert result.pipeline < 1e-4


def test_the_orders_of_two_layouts_by_hand(shared_bert: Path, tmp_path: Path) -> None:
    folder = saved(shared_bert, "bert", tmp_path / "saved")
    result = compare_layouts(folder, GROUPS, "fp32")
    joint, shared = (
        [scored.scores for scored in cappy.load(folder, layout=layout).score_groups(GROUPS)]
        for layout in ("joint", "shared")
    )
    same = [int(np.argmax(one)) == int(np.argmax(other)) for one, other in zip(joint, shared, strict=True)]
    assert result.top1_agreement == pytest.approx(np.mean(same))
    agreement = [
        np.mean([np.sign(one[a] - one[b]) * np.sign(other[a] - other[b]) for a, b in combinations(range(len(one)), 2)])
        for one, other in zip(joint, shared, strict=True)
    ]
    assert result.kendall == pytest.approx(np.mean(agreement))
    right = [0, 0, 1]
    assert result.joint_accuracy == pytest.approx(
        np.mean([np.argmax(s) == r for s, r in zip(joint, right, strict=True)])
    )
    long = [Group("is water blue ? " * 80, GROUPS[0].candidates)]
    assert compare_layouts(folder, [*GROUPS, *long]).left_out == 1
    with pytest.raises(InputError, match="every group exceeds the token limit"):
        compare_layouts(folder, long)


def test_the_command_draws_groups_and_writes_what_it_prints(shared_bert: Path, tmp_path: Path) -> None:
    folder = saved(shared_bert, "bert", tmp_path / "saved")
    write_groups(tmp_path / "groups.jsonl", GROUPS, {})
    arguments = ["eval", "layouts", str(tmp_path / "groups.jsonl"), "--rows", "2", "-m", str(folder)]
    result = CliRunner().invoke(app, [*arguments, "-o", str(tmp_path / "out.json")])
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "out.json").read_text())["groups"] == 2
    assert "kendall" in result.output
    shutil.rmtree(folder)
