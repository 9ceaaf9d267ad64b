"""Steps, ends and resuming of a run, and the gradients behind them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import cappy
from cappy.checkpoint.checkpoint import read_checkpoint
from cappy.errors import CheckpointError, InputError
from cappy.layout.encode import Conventions
from cappy.layout.tokenizer import load_tokenizer
from cappy.runtime.encoder_weights import starting_weights
from cappy.training import trainer as trainer_module
from cappy.training.encoding import encode_texts
from cappy.training.run import RunOptions, train
from cappy.training.texts import read_texts
from cappy.training.trainer import Budget, Computing, Trainer, learning_rate
from tests.training.toy import RECIPE, run


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_stopped_run_resumes_exactly(
    data: Path, bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dropout: float
) -> None:
    recipe = dataclasses.replace(RECIPE, dropout=dropout)
    whole = run(data, tmp_path / "whole", bert, 30, recipe)
    original, calls = Trainer._step, 0

    def dying(self: Trainer, *arguments: object) -> tuple[torch.Tensor, int]:
        nonlocal calls
        calls += 1
        if calls in (8, 20):
            raise KeyboardInterrupt
        return original(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(trainer_module.Trainer, "_step", dying)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(data, tmp_path / "stopped", bert, 30, recipe)
    stopped = run(data, tmp_path / "stopped", bert, 30, recipe)
    one, other = ((folder / "model.safetensors").read_bytes() for folder in (whole, stopped))
    assert one == other


def test_a_folder_of_another_run_is_refused(data: Path, bert: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "run", bert, 1)
    tokens = (tmp_path / "run" / "tokens" / "manifest.json").read_text()
    with pytest.raises(InputError, match="another recipe, seed"):
        run(data, tmp_path / "run", bert, 2, seed=1)
    assert (tmp_path / "run" / "tokens" / "manifest.json").read_text() == tokens  # they may have taken hours


def test_a_state_of_before_a_recipe_could_say_so_is_resumed(data: Path, bert: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "run", bert, 1)
    path = tmp_path / "run" / "state" / "progress.json"
    facts = json.loads(path.read_text())
    del facts["recipe"]["batch_pairs"], facts["recipe"]["layout"]
    path.write_text(json.dumps(facts))
    run(data, tmp_path / "run", bert, 2)
    assert json.loads(path.read_text())["progress"]["step"] == 2


def test_parts_of_a_batch_add_up_to_it(data: Path, bert: Path, tmp_path: Path) -> None:
    losses = []
    for micro in (None, 100):
        recipe = dataclasses.replace(RECIPE, pairwise=0.3, graded_listwise=0.5)
        options = RunOptions(data, tmp_path / str(micro), str(bert), Budget(steps=8), threads=1)
        train(recipe, dataclasses.replace(options, computing=Computing(micro_tokens=micro, precision="fp32")))
        weights = read_checkpoint(tmp_path / str(micro) / "checkpoint").read_weights()
        losses.append(weights)
    for name, weight in losses[0].items():
        if not name.endswith("key.bias"):  # nothing depends on it
            np.testing.assert_allclose(losses[1][name], weight, atol=2e-3, err_msg=name)
    with pytest.raises(InputError, match="--parallel"):
        Computing(parallel="tensor")
    with pytest.raises(InputError, match="--precision"):
        Computing(precision="fp16")


def test_learning_rate_warms_up_and_comes_down() -> None:
    rates = [learning_rate(progress, RECIPE) for progress in np.linspace(0, 1, 101)]
    assert max(rates) == pytest.approx(RECIPE.learning_rate, rel=1e-3)
    assert rates[0] < 0.05 * RECIPE.learning_rate
    assert rates[-1] == pytest.approx(0.05 * RECIPE.learning_rate)
    held = dataclasses.replace(RECIPE, final_lr_ratio=1.0)
    assert [learning_rate(progress, held) for progress in (0.04, 0.1, 1.0)] == pytest.approx([RECIPE.learning_rate] * 3)
    with pytest.raises(InputError, match=r"not 1\.5"):
        dataclasses.replace(RECIPE, final_lr_ratio=1.5)


def test_dropout_acts_in_steps_alone(data: Path, bert: Path, tmp_path: Path) -> None:
    plain, dropped = (
        run(data, tmp_path / str(rate), bert, 3, dataclasses.replace(RECIPE, dropout=rate)) for rate in (0.0, 0.5)
    )
    assert (plain / "model.safetensors").read_bytes() != (dropped / "model.safetensors").read_bytes()
    scorers = [cappy.load(dropped, runtime=runtime, precision="fp32") for runtime in ("torch", "onnx")]
    torch_score, onnx_score = (scorer.score("cat in the house", "dog") for scorer in scorers)
    assert torch_score == pytest.approx(onnx_score, abs=1e-4)
    with pytest.raises(InputError, match="dropout"):
        dataclasses.replace(RECIPE, dropout=1.0)


def test_a_run_without_an_end_is_refused() -> None:
    with pytest.raises(InputError, match="--steps or --minutes"):
        Budget()
    for steps, minutes in ((None, 0.0), (5, 0.0), (0, None)):
        with pytest.raises(InputError, match="above 0"):
            Budget(steps, minutes)
    assert Budget(steps=10, minutes=1).progress(5, 45) == 0.75


def test_encoders_that_cannot_be_used(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        starting_weights(tmp_path, 0)
    config = json.loads((bert / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 9}))
    (tmp_path / "model.safetensors").write_bytes((bert / "model.safetensors").read_bytes())
    with pytest.raises(CheckpointError, match="lack"):
        starting_weights(tmp_path, 0)
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="damaged"):
        starting_weights(tmp_path, 0)


@pytest.mark.parametrize("layout", ["shared", "joint"])
def test_gradients_of_the_packed_encoder_equal_those_of_pairs_alone(bert: Path, layout: str) -> None:
    from cappy.layout.encode import encode_group
    from cappy.layout.limits import Limits
    from cappy.layout.pack import pack
    from cappy.runtime.torch_encoder import Encoder

    checkpoint = read_checkpoint(bert)
    conventions = Conventions.of(checkpoint.spec, layout, 1, 2)
    weights = {name: torch.from_numpy(array).float() for name, array in checkpoint.read_weights().items()}
    texts = [([10, 11, 12], [[20], [21, 22, 23]]), ([13] * 9, [[24, 25]])]
    together = Encoder(checkpoint.spec, weights)
    groups = [encode_group(i, r, conventions, Limits(96, 32)) for i, r in texts]
    (together(pack(groups, conventions)) ** 2).sum().backward()
    alone = Encoder(checkpoint.spec, {name: tensor.clone() for name, tensor in weights.items()})
    for instruction, responses in texts:
        for response in responses:
            single = encode_group(instruction, [response], conventions, Limits(96, 32))
            (alone(pack([single], conventions)) ** 2).sum().backward()
    for (name, one), (_, other) in zip(together.named_parameters(), alone.named_parameters(), strict=True):
        if other.grad is not None:
            assert torch.allclose(one.grad, other.grad, atol=1e-4), name


@pytest.mark.parametrize(
    ("layout", "computing", "steps"),
    [
        ("shared", Computing(precision="fp32", rows=True), 10),
        pytest.param("shared", Computing(precision="fp32", rows=True), 50, marks=pytest.mark.slow),
        ("joint", Computing(precision="fp32", rows=True), 15),
        ("shared", Computing(precision="fp32", rows=True, micro_tokens=200, workers=2), 8),
        pytest.param("shared", Computing(precision="fp32", rows=True, compile=True), 50, marks=pytest.mark.slow),
    ],
)
def test_rows_and_workers_give_the_same_losses(
    data: Path, mpnet: Path, tmp_path: Path, layout: str, computing: Computing, steps: int
) -> None:
    """What a GPU is given, on the CPU: the curve of the packed path."""
    recipe = dataclasses.replace(RECIPE, layout=layout, learning_rate=5e-4, graded_listwise=0.5)
    _, spec, weights = starting_weights(mpnet, 0)
    tokenizer = load_tokenizer(mpnet, spec)
    conventions = Conventions.of(spec, layout, tokenizer.cls_id, tokenizer.sep_id)
    texts = read_texts(recipe, str(mpnet), 0, data=data, groups=None, against=None)
    groups = encode_texts(
        texts.placed(), recipe, tokenizer, conventions, spec.max_tokens, 0, tmp_path / "tokens"
    ).training
    curves = []
    for name, how in (("packed", Computing(precision="fp32")), ("rows", computing)):
        trainer = Trainer(spec, weights, recipe, conventions, tmp_path / name, 0, computing=how)
        trainer.run(groups, Budget(steps=steps))
        curves.append(trainer.losses)
    assert len(curves[0]) == steps
    assert steps < 50 or curves[0][-1] < curves[0][0]
    assert curves[1] == pytest.approx(curves[0], abs=1e-4)
