"""`cappy boost`, `cappy adapt`, `cappy models --fetch`, `cappy eval bigbench`: as a person runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cappy.llm.gguf import GgufLLM
from cappy.llm.registry import gguf_file
from tests.cli.test_commands import run


@pytest.fixture(scope="module")
def server(smollm2: GgufLLM) -> tuple[str, ...]:
    return ("--llm", "smollm2", "--base-url", str(smollm2._base_url), "--api-key", smollm2._api_key)


def test_boost_shows_samples_best_first(server: tuple[str, ...]) -> None:
    question = "Name the capital of France."
    shown = run("boost", question, "-n", "3", "--max-tokens", "12", *server)
    assert shown.returncode == 0, shown.stderr
    assert "3 samples" in shown.stderr.decode()
    found = json.loads(
        run("boost", "-", "-n", "3", "--max-tokens", "12", "--json", *server, stdin=question.encode()).stdout
    )
    values = [sample["value"] for sample in found["samples"]]
    assert values == sorted(values, reverse=True) and found["best"] == found["samples"][0]["text"]
    assert found["instruction"] == question and found["error"] is None
    first = run("boost", question, "--plan", "greedy,sampling*2", "--selector", "first", "--json", *server)
    assert json.loads(first.stdout)["samples"][0]["decoding"] == "sampling"


@pytest.mark.slow
def test_boost_says_what_is_wrong(tmp_path: Path) -> None:
    gone = run("boost", "hello", "--llm", "x", "--base-url", "http://127.0.0.1:9/v1", "-n", "1")
    assert gone.returncode == 4 and b"cannot be reached" in gone.stderr
    empty = run("boost", " ")
    assert empty.returncode == 2 and b"instruction is empty" in empty.stderr
    missing = run("boost", "hello", "--llm", "gemma3", CAPPY_CACHE=str(tmp_path))
    assert missing.returncode == 2 and b"cappy models --fetch gemma3" in missing.stderr
    bad = run("boost", "hello", "--selector", "best")
    assert bad.returncode == 2 and b"unknown" in bad.stderr


def test_a_fetched_model_is_there(tmp_path: Path) -> None:
    found = run("models", "--fetch", "smollm2")
    assert found.returncode == 0 and str(gguf_file("smollm2")).encode() in found.stdout.replace(b"\n", b"")
    unknown = run("models", "--fetch", "gpt9", CAPPY_CACHE=str(tmp_path))
    assert unknown.returncode == 2 and b"'gpt9' is unknown" in unknown.stderr


def test_adapt_from_a_table_and_from_labels(shared_bert: Path, tmp_path: Path) -> None:
    rows = [
        {"question": f"what is {n} ?", "response": f"answer {n}", "samples": ["no", f"answer {n}"]} for n in range(8)
    ]
    (tmp_path / "asked.jsonl").write_text("\n".join(map(json.dumps, rows)))
    common = ("-m", str(shared_bert), "--epochs", "2")
    done = run(
        "adapt", str(tmp_path / "asked.jsonl"), "-o", str(tmp_path / "a"), "--column", "instruction=question",
        *common, "--finetune",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"on 2 held-out examples" in done.stdout
    assert run("rank", "what is 1 ?", "one", "two", "-m", str(tmp_path / "a")).returncode == 0
    texts = "text,label\n" + "".join(f"cat {n},good\nfire {n},bad\n" for n in range(26))
    (tmp_path / "texts.csv").write_text(texts)
    command = ("adapt", str(tmp_path / "texts.csv"), "-o", str(tmp_path / "b"), "--template", "{text} is {choices} ?")
    done = run(*command, *common, "--finetune")
    assert done.returncode == 0, done.stderr
    assert "on 10 texts held out: " in done.stdout.decode() and (tmp_path / "b" / "report.html").exists()
    assert run("classify", "-m", str(tmp_path / "b"), "cat").returncode == 0


def test_a_store_is_sampled_by_any_language_model(server: tuple[str, ...], tmp_path: Path) -> None:
    rows = [{"instruction": f"Name a colour, not {n}.", "response": f"red {n}"} for n in range(5)]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "recipe.yaml").write_text("sources: [{table: mine.jsonl}]")
    built = run("data", "build", str(tmp_path / "recipe.yaml"), "-o", str(tmp_path / "store"))
    assert built.returncode == 0, built.stderr
    command = ("data", "sample", str(tmp_path / "store"), "-o", str(tmp_path / "sampled"), "--plan", "sampling*2")
    done = run(*command, *server, "--max-tokens", "8")
    assert done.returncode == 0, done.stderr
    assert "5 groups in " in done.stdout.decode() and "sample:sampling" in done.stdout.decode()
    wrong = run(*command, "--llm", "nothing.gguf")
    assert wrong.returncode == 2 and b"nothing.gguf" in wrong.stderr


def test_questions_with_samples_teach_to_choose(shared_bert: Path, tmp_path: Path) -> None:
    rows = [
        {"instruction": f"what is {n} ?", "response": f"{n} good", "samples": ["no", f"{n} good"]} for n in range(8)
    ]
    (tmp_path / "asked.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = run("adapt", str(tmp_path / "asked.jsonl"), "-o", str(tmp_path / "a"), "-m", str(shared_bert))
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.decode().split())
    assert "8 examples with 16 samples; when left out, what is chosen is worth 100.0 (first sample 0.0" in said
    assert "cappy boost -m" in said
    assert "answers" in json.loads((tmp_path / "a" / "choosing.json").read_text())
    refused = run("adapt", str(tmp_path / "asked.jsonl"), "-o", str(tmp_path), "-m", str(shared_bert))
    assert refused.returncode == 2 and b"name a new folder" in refused.stderr


def test_labelled_texts_give_a_classifier(shared_bert: Path, tmp_path: Path) -> None:
    rows = "review,stars\n" + "".join(f"the cat {n},good\nfire and wind {n},bad\n" for n in range(6)) + ",bad\nx,\n"
    (tmp_path / "reviews.csv").write_text(rows)
    done = run("adapt", str(tmp_path / "reviews.csv"), "-o", str(tmp_path / "mine"), "-m", str(shared_bert))
    assert done.returncode == 0, done.stderr
    said = done.stdout.decode()
    assert "texts from column 'review', labels from 'stars'" in said
    assert "Which of these describes this review best: {choices}?" in said
    assert "12 texts of 2 classes; right when left out: 100.0%" in said
    assert "│ good │   0 │    6 │" in said  # the table of confusions
    assert b"reviews.csv:14: no text in 'review'" in done.stderr
    assert "Hardest" not in (tmp_path / "mine" / "report.html").read_text()
    used = run("classify", "-m", str(tmp_path / "mine"), "the cat", "fire and wind", "--json")
    assert used.returncode == 0, used.stderr
    assert [json.loads(line)["label"] for line in used.stdout.splitlines()] == ["good", "bad"]
    refused = run("classify", "-m", str(tmp_path / "mine"), "x", "-i", "{text}")
    assert refused.returncode == 2 and b"its own instruction" in refused.stderr
    refused = run("adapt", str(tmp_path / "reviews.csv"), "-o", str(tmp_path), "-m", str(shared_bert))
    assert refused.returncode == 2 and b"is not a classifier" in refused.stderr


def test_texts_with_several_labels_give_a_classifier(shared_bert: Path, tmp_path: Path) -> None:
    rows = "text,topics\n" + "".join(f"the cat {n},cat\nfire and cat {n},fire;cat\nwind {n},;\n" for n in range(6))
    (tmp_path / "rows.csv").write_text(rows)
    options = ("--label-column", "topics", "--label-separator", ";", "-m", str(shared_bert))
    done = run("adapt", str(tmp_path / "rows.csv"), "-o", str(tmp_path / "mine"), *options)
    assert done.returncode == 0, done.stderr
    assert "18 texts of 2 classes; F1 when left out: " in done.stdout.decode()
    assert "│ cat   │    12 │" in done.stdout.decode()
    used = run("classify", "-m", str(tmp_path / "mine"), "fire and cat", "wind", "--json")
    assert used.returncode == 0, used.stderr
    told = [json.loads(line) for line in used.stdout.splitlines()]
    assert [sorted(one["labels"]) for one in told] == [["cat", "fire"], []]
    assert set(told[0]["probabilities"]) == {"cat", "fire"}
    refused = run("adapt", str(tmp_path / "rows.csv"), "-o", str(tmp_path / "b"), *options, "--finetune")
    assert refused.returncode == 2 and b"one label" in refused.stderr


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        ('{"instruction": "a"}', (), "no value in column 'response'"),
        ('{"instruction": "a", "response": "b", "samples": "c"}', (), "samples must be a list"),
        (
            '{"text": "a", "label": "b"}',
            ("--template", "{text}"),
            "1 row has a text and a label, and there is 1 different label",
        ),
        ('{"text": "a", "label": "b"}', ("--template", "x"), "must hold {text}"),
        ('{"instruction": "a", "response": "b"}', ("--column", "instruction"), "should look like"),
        ("{", (), "not JSON"),
    ],
)
def test_adapt_says_what_is_wrong(content: str, options: tuple[str, ...], said: str, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(content + "\n")
    found = run("adapt", str(tmp_path / "rows.jsonl"), "-o", str(tmp_path / "out"), *options)
    assert found.returncode == 2 and said in found.stderr.decode().replace("\n", " ")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_benchmark_runs_resumes_and_reports(server: tuple[str, ...], shared_bert: Path, tmp_path: Path) -> None:
    for task in ("tense", "word_sorting"):
        examples = [{"input": f"write {task} number {n}", "target": f"number {n}"} for n in range(40)]
        (tmp_path / "tasks" / task).mkdir(parents=True)
        (tmp_path / "tasks" / task / "task.json").write_text(json.dumps({"examples": examples}))
    command = (
        "eval",
        "bigbench",
        "-o",
        str(tmp_path / "run"),
        "--source",
        str(tmp_path / "tasks"),
        "--profile",
        "tiny",
        "--finetune",
    )
    done = run(*command, "-m", str(shared_bert), *server)
    assert done.returncode == 0, done.stderr
    report = done.stdout.decode()
    assert "Cappy, learnt to choose" in report and "Cappy, adapted" in report
    assert "oracle" in report and "tense" in report and "FLAN-T5 XXL" in report
    found = json.loads((tmp_path / "run" / "report.json").read_text())
    means = found["summary"]["means"]
    assert means["topp"] is None  # this plan has no nucleus sampling, and JSON no NaN
    means = {name: value for name, value in means.items() if value is not None}
    assert all(value <= means["oracle"] + 1e-9 for value in means.values())
    kept = sorted((tmp_path / "run" / "samples").glob("*.jsonl"))[0]
    size = kept.stat().st_size
    assert (tmp_path / "run" / "report.html").read_text().startswith("<!doctype html>")
    (tmp_path / "run" / "tasks" / "tense.json").unlink()
    again = run(*command, "-m", str(shared_bert), *server)
    assert again.returncode == 0 and kept.stat().st_size == size  # nothing is sampled twice
    assert b"tense: adapting" in again.stderr and b"word_sorting: adapting" not in again.stderr
    repeated = json.loads((tmp_path / "run" / "report.json").read_text())["summary"]["means"]
    assert {name: repeated[name] for name in means} == pytest.approx(means, abs=0.02)
