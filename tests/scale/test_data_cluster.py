"""Building and sampling on a cluster: the bytes of a single machine, whatever dies and whichever endpoint is gone."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cappy.data import sampling
from cappy.data.build import build
from cappy.data.recipefile import read_recipe
from cappy.data.sampling import sample_store
from cappy.errors import InputError, LanguageModelError
from cappy.llm.decoding import parse_plan
from cappy.llm.openai_llm import OpenAILLM
from cappy.metrics.references import rouge_l
from cappy.scale.build_cluster import build_on_cluster
from cappy.scale.sample_cluster import Samplers, sample_on_cluster
from tests.scale.conftest import Nodes
from tests.server.stubs import Answer, answering


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    for name, count in (("one", 12_000), ("two", 6_000)):
        rows = [{"instruction": f"{name}: what is {i} plus one?", "response": str(i + 1)} for i in range(count)]
        lines = [*map(json.dumps, rows), "{"]
        (home / f"{name}.jsonl").write_text("\n".join(lines))
    (home / "recipe.yaml").write_text("wrong: {near: 1, far: 1}\nsources: [{table: one.jsonl}, {table: two.jsonl}]\n")
    return home / "recipe.yaml"


def contents(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_cluster_builds_the_same_store(two_nodes: Nodes, recipe: Path, tmp_path: Path) -> None:
    whole = build(read_recipe(str(recipe)), tmp_path / "one")
    seen: list[int] = []
    assert build_on_cluster(read_recipe(str(recipe)), tmp_path / "ray", advance=seen.append) == whole
    assert whole["problems"] == {"broken row": 2} and sum(seen) == whole["groups"]
    assert contents(tmp_path / "ray") == contents(tmp_path / "one")


@pytest.mark.slow
def test_a_killed_node_and_a_stop_change_no_byte_of_a_store(nodes: Nodes, recipe: Path, tmp_path: Path) -> None:
    nodes.want(3)
    whole = build(read_recipe(str(recipe)), tmp_path / "one")
    seen: list[int] = []

    def killing(groups: int) -> None:
        seen.append(groups)
        if len(seen) == 1:
            nodes.kill()
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_on_cluster(read_recipe(str(recipe)), tmp_path / "ray", advance=killing)
    manifest = build_on_cluster(read_recipe(str(recipe)), tmp_path / "ray")
    assert manifest == whole and manifest["problems"] == {"broken row": 2}
    assert contents(tmp_path / "ray") == contents(tmp_path / "one")


def echo(asked: list[int], fail: Callable[[int], bool] = lambda count: False) -> Callable[[str, Any], Answer]:
    """Be a model that answers with words of the prompt, which words the seed decides; or fails."""
    lock = threading.Lock()

    def answer(path: str, body: Any) -> Answer:
        with lock:
            asked[0] += 1
            count = asked[0]
        if fail(count):
            return 404, {"content-type": "application/json"}, b'{"error": {"message": "gone"}}'
        words = body["messages"][0]["content"].split()
        texts = [" ".join(words[(body["seed"] + place) % len(words) :]) for place in range(body["n"])]
        choices = [{"index": n, "message": {"role": "assistant", "content": text}} for n, text in enumerate(texts)]
        return 200, {"content-type": "application/json"}, json.dumps({"choices": choices}).encode()

    return answer


@pytest.mark.slow
def test_several_endpoints_give_the_samples_of_one(
    two_nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "PART", 10)
    rows = [{"instruction": f"write the number {i} down", "response": f"number {i}"} for i in range(60)]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "r.yaml").write_text("sources: [{table: mine.jsonl}]")
    build(read_recipe(str(tmp_path / "r.yaml")), tmp_path / "store")
    plan = parse_plan("sampling*2,temp0.7")
    asked = [[0], [0]]
    with ExitStack() as stack:
        dying = [
            echo(asked[0]),
            echo(asked[1], lambda count: count > 10),  # goes for good
        ]
        urls = [stack.enter_context(answering(one)) for one in dying]
        make = partial(OpenAILLM, "echo", retries=0)
        facts = {"llm": "echo"}
        sample_store(tmp_path / "store", tmp_path / "one", make(base_url=urls[0]), plan, rouge_l, facts)
        alone = asked[0][0]
        samplers = Samplers(tuple(partial(make, base_url=url) for url in urls))
        ended = sample_on_cluster(tmp_path / "store", tmp_path / "ray", samplers, plan, "rouge-l", facts)
        assert contents(tmp_path / "ray") == contents(tmp_path / "one")
        assert ended["groups"] == 60
        assert asked[1][0] > 10 and asked[0][0] > alone
        again = sample_on_cluster(tmp_path / "store", tmp_path / "ray", samplers, plan, "rouge-l", facts)
        assert again == ended
    with pytest.raises(InputError, match="no finished store"):
        sample_on_cluster(tmp_path, tmp_path / "x", samplers, plan, "rouge-l", facts)


@pytest.mark.slow
def test_endpoints_that_are_all_gone_end_sampling(two_nodes: Nodes, tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text(
        '{"instruction": "a b", "response": "c"}\n{"instruction": "d", "response": "e"}'
    )
    (tmp_path / "r.yaml").write_text("sources: [{table: mine.jsonl}]")
    build(read_recipe(str(tmp_path / "r.yaml")), tmp_path / "store")
    nobody = partial(OpenAILLM, "echo", "http://127.0.0.1:9/v1", retries=0)
    with pytest.raises(LanguageModelError, match="run it again"):
        sample_on_cluster(
            tmp_path / "store", tmp_path / "ray", Samplers((nobody,), rounds=1), parse_plan("sampling"), "rouge-l", {}
        )
