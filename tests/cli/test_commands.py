"""The commands as a person runs them: a process, its output, its exit code."""

from __future__ import annotations

import csv
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cappy


def run(*arguments: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "cappy.cli.app", *arguments]
    result = subprocess.run(
        command, input=stdin, check=False, capture_output=True, env={**os.environ, "COLUMNS": "100", **environment}
    )
    assert b"Traceback" not in result.stderr, result.stderr.decode()
    return result


@pytest.fixture(scope="module")
def model(shared_bert: Path) -> str:
    return str(shared_bert)


def test_the_package_runs_as_a_module() -> None:
    result = subprocess.run([sys.executable, "-m", "cappy", "--version"], check=True, capture_output=True)
    assert result.stdout.decode().strip() == f"cappy {cappy.__version__}"


def test_help_names_every_command() -> None:
    text = run("--help").stdout.decode()
    for command in ("rank", "classify", "score", "explain", "serve", "train", "models", "export", "data", "eval"):
        assert command in text
    assert "cappy rank" in text
    assert run("--version").stdout.decode().strip() == f"cappy {cappy.__version__}"


@pytest.mark.parametrize(
    "command",
    [
        "rank",
        "classify",
        "score",
        "explain",
        "serve",
        "train",
        "models",
        "data build",
        "data mixture",
        "data contamination",
        "eval zero-shot",
        "eval answers",
    ],
)
def test_every_command_explains_itself(command: str) -> None:
    result = run(*command.split(), "--help")
    assert result.returncode == 0
    usage, sentence, *rest = [line for line in result.stdout.decode().splitlines() if line.strip()]
    assert usage.startswith("Usage:")
    assert len(sentence.split()) > 4  # what it is for, before its options
    assert any(line.startswith("Options:") for line in rest)


def test_rank_as_table_and_json(model: str) -> None:
    expected = cappy.load(model).rank("what city ?", ["paris", "rome", "dog"])
    result = run("rank", "what city ?", "paris", "rome", "dog", "-m", model, "--json")
    shown = json.loads(result.stdout)
    assert [item["index"] for item in shown["results"]] == [item.index for item in expected]
    assert [item["score"] for item in shown["results"]] == pytest.approx(expected.scores, abs=1e-5)
    table = run("rank", "what city ?", "paris", "rome", "dog", "-m", model, "--top-k", "2").stdout.decode()
    assert expected[0].text in table
    assert expected[2].text not in table


def test_rank_reads_standard_input_and_files(model: str, tmp_path: Path) -> None:
    (tmp_path / "candidates.txt").write_text("paris\n\nrome\n")
    by_file = run("rank", "what ?", "-f", str(tmp_path / "candidates.txt"), "-m", model, "--json")
    by_pipe = run("rank", "what ?", "-", "-m", model, "--json", stdin=b"paris\nrome\n")
    by_arguments = run("rank", "what ?", "paris", "rome", "-m", model, "--json")
    assert by_file.stdout == by_pipe.stdout == by_arguments.stdout
    asked = run("rank", "-", "paris", "rome", "-m", model, "--json", stdin=b"what ?\n")
    assert asked.stdout == by_arguments.stdout


def test_rank_reports_what_was_cut(model: str) -> None:
    result = json.loads(run("rank", "what " * 500, "yes", "-m", model, "--json").stdout)
    assert result["results"][0]["tokens_cut"]["instruction"] > 400


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["rank", "what ?"], 2, "no candidates: give them"),
        (["rank", "what ?", "-f", "/nowhere/file"], 2, "cannot be read"),
        (["rank", "what ?", "yes", "-m", "/nowhere"], 3, "no checkpoint"),
        (["rank", "what ?", "yes", "-m", "nosuch"], 3, "use base, mini, a folder"),
        (["rank", "what ?", "yes", "--layout", "long"], 2, "layout"),
        (["rank"], 2, "instruction"),
        (["classify", "a text", "-c", "one"], 2, "two choices"),
        (["classify", "-c", "one", "-c", "two"], 2, "no texts"),
        (["classify", "a text", "-c", "one", "-c", "two", "-i", "no place"], 2, "{text}"),
        (["score", "/nowhere.jsonl", "-o", "/tmp/x.jsonl"], 2, "does not exist"),
        (["train", "--data", "/nowhere", "-o", "/tmp/never", "--recipe", "none", "--steps", "1"], 2, "recipe"),
        (["train", "--data", "/nowhere", "-o", "/tmp/never"], 2, "--minutes"),
        (["eval", "zero-shot", "--data", "/nowhere", "--templates", "/nowhere", "--task", "none"], 2, "unknown"),
    ],
)
def test_mistakes_get_a_sentence_and_a_code(model: str, arguments: list[str], code: int, words: str) -> None:
    if "-m" not in arguments and arguments[0] in ("rank", "classify", "score", "eval"):
        arguments = [*arguments, "-m", model]
    result = run(*arguments)
    assert result.returncode == code, result.stderr.decode()
    assert words.lower() in result.stderr.decode().lower()


def test_classify_names_the_choice_that_the_classifier_predicts() -> None:
    """In any order of the choices: what is predicted has columns in alphabetical order."""
    names = ["lost card", "double charge", "card arrival", "change pin"]
    texts = ["I lost my card", "Why was I charged twice?", "How do I change my PIN?"]
    for order in (names, names[::-1], sorted(names)):
        options = [part for name in order for part in ("-c", name)]
        done = run("classify", *texts, *options, "-i", "{text} Topic:", "--json")
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert [one["label"] for one in found] == ["lost card", "double charge", "change pin"]
        assert [one["label"] for one in found] == cappy.Classifier(order, "{text} Topic:").predict(texts).tolist()
        assert all(max(one["probabilities"], key=one["probabilities"].get) == one["label"] for one in found)


def test_classify(model: str) -> None:
    texts = ["the movie is great", "a terrible film"]
    expected = cappy.Classifier(["good", "bad"], "{text} ?", scorer=cappy.load(model)).predict_proba(texts)
    result = run("classify", *texts, "--choices", "good, bad", "-i", "{text} ?", "-m", model, "--json")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [list(row["probabilities"].values()) for row in rows] == [pytest.approx(e, abs=1e-4) for e in expected]
    fitted = cappy.Classifier(["good", "bad"], "{text} ?", scorer=cappy.load(model), batch_calibration=0.5).fit(texts)
    options = ("--choices", "good, bad", "-i", "{text} ?", "-m", model, "--json", "--batch-calibration", "0.5")
    rows = [json.loads(line) for line in run("classify", *texts, *options).stdout.splitlines()]
    shares = fitted.predict_proba(texts)
    assert [list(row["probabilities"].values()) for row in rows] == [pytest.approx(e, abs=1e-4) for e in shares]
    assert abs(shares - expected).max() > 1e-3
    piped = run("classify", "-", "-c", "good", "-c", "bad", "-m", model, stdin="\n".join(texts).encode())
    assert b"terrible" in piped.stdout


ROWS = [
    {"instruction": "what city ?", "responses": ["paris", "rome", "dog"], "id": 7},
    {"instruction": "is the sky blue ?", "responses": ["yes"], "id": 8},
]


def test_score_jsonl_keeps_the_rest_when_a_line_is_broken(model: str, tmp_path: Path) -> None:
    lines = [
        json.dumps(ROWS[0]),
        '{"instruction": ',
        '{"instruction": "x"}',
        '{"instruction": 3, "response": "y"}',
        json.dumps(ROWS[1]),
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    result = run("score", str(tmp_path / "in.jsonl"), "-o", str(tmp_path / "out.jsonl"), "-m", model)
    assert result.returncode == 1
    for number in (2, 3, 4):
        assert f"line {number}:" in result.stderr.decode()
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == [7, 8]
    scorer = cappy.load(model)
    for row in rows:
        assert row["scores"] == pytest.approx(scorer.score(row["instruction"], row["responses"]).tolist(), abs=1e-5)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_score_csv_and_parquet(model: str, tmp_path: Path) -> None:
    with (tmp_path / "in.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["instruction", "response", "note"])
        writer.writeheader()
        writer.writerows([{"instruction": "what ?", "response": word, "note": "é,x"} for word in ("yes", "no")])
    assert run("score", str(tmp_path / "in.csv"), "-o", str(tmp_path / "out.csv"), "-m", model).returncode == 0
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    expected = cappy.load(model).score("what ?", ["yes", "no"]).tolist()
    assert [float(row["score"]) for row in rows] == pytest.approx(expected, abs=1e-5)
    assert rows[0]["note"] == "é,x"
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "in.parquet")
    assert run("score", str(tmp_path / "in.parquet"), "-o", str(tmp_path / "out.parquet"), "-m", model).returncode == 0
    table = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [len(row["scores"]) for row in table] == [3, 1]
    assert [row["id"] for row in table] == [7, 8]


def test_score_streams_from_standard_input_to_standard_output(model: str) -> None:
    stdin = "".join(json.dumps(row) + "\n" for row in [*ROWS, {"instruction": "\ud800", "response": "lone"}]).encode()
    result = run("score", "-", "-o", "-", "-m", model, stdin=stdin)
    assert result.returncode == 0
    assert [json.loads(line).get("id") for line in result.stdout.splitlines()] == [7, 8, None]


def test_score_answers_a_pipe_row_by_row(model: str) -> None:
    command = [sys.executable, "-m", "cappy.cli.app", "score", "-", "-o", "-", "-m", model]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        try:
            for row in ROWS:
                process.stdin.write(json.dumps(row).encode() + b"\n")
                process.stdin.flush()
                ready, _, _ = select.select([process.stdout], [], [], 60)
                assert ready, "the row was not answered while the writer waits"
                assert json.loads(process.stdout.readline())["id"] == row["id"]
            process.stdin.close()
            assert process.wait(60) == 0
        finally:
            process.kill()


def test_score_lone_surrogates_reach_a_file(model: str, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"instruction": "a \\ud800 b", "response": "\\u0000"}\n')
    assert run("score", str(tmp_path / "in.jsonl"), "-o", str(tmp_path / "out.jsonl"), "-m", model).returncode == 0
    assert "score" in json.loads((tmp_path / "out.jsonl").read_text())


def test_score_refuses_to_overwrite_its_input(model: str, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps(ROWS[0]))
    result = run("score", str(tmp_path / "in.jsonl"), "-o", str(tmp_path / "in.jsonl"), "-m", model)
    assert result.returncode == 2
    assert json.loads((tmp_path / "in.jsonl").read_text()) == ROWS[0]


def test_models_says_that_a_runtime_is_not_installed(model: str) -> None:
    code = "import sys; sys.modules['torch'] = None; from cappy.cli.app import main; main()"
    command = [sys.executable, "-c", code, "models", model, "--json"]
    result = subprocess.run(command, check=True, capture_output=True, env={**os.environ, "CAPPY_RUNTIME": "torch"})
    assert "cappy-scorer[train]" in json.loads(result.stdout)["computes here"]


def test_models_describes_and_lists(model: str) -> None:
    described = json.loads(run("models", model, "--json").stdout)
    assert described["layout"] == "shared"
    assert described["max_tokens"] == 96
    assert b"cappy-mini" in run("models").stdout


def test_an_interrupt_says_so_and_the_same_command_goes_on(model: str, tmp_path: Path) -> None:
    rows = [json.dumps({"instruction": f"what is {i} ?", "response": "yes " * 30}) for i in range(60_000)]
    (tmp_path / "in.jsonl").write_text("\n".join(rows))
    command = [
        sys.executable,
        "-m",
        "cappy.cli.app",
        "score",
        str(tmp_path / "in.jsonl"),
        "-o",
        str(tmp_path / "out.jsonl"),
    ]
    process = subprocess.Popen([*command, "-m", model], stderr=subprocess.PIPE)
    while not any(path.stat().st_size > 5000 for path in tmp_path.glob(".out*progress")):
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"interrupted" in errors
    assert b"Traceback" not in errors
    assert not (tmp_path / "out.jsonl").exists()
    assert len(list(tmp_path.glob(".out*progress"))) == 1


def test_a_reader_that_leaves_ends_it_without_a_word(model: str, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("\n".join(json.dumps(ROWS[0]) for _ in range(3000)))
    command = f"{sys.executable} -m cappy.cli.app score {tmp_path}/in.jsonl -o - -m {model} | head -n 1"
    result = subprocess.run(["sh", "-c", command], check=False, capture_output=True, timeout=120)
    assert result.stderr == b""
    assert len(result.stdout.splitlines()) == 1


def test_eval_answers_sets_cappy_beside_the_plain_choices(tmp_path: Path, model: str) -> None:
    pairs, lists = tmp_path / "pairs.jsonl", tmp_path / "lists.jsonl"
    row = {"prompt": "who is in the house?", "chosen": "the cat and the dog", "rejected": "a cat"}
    pairs.write_text(f"{json.dumps(row)}\n{json.dumps({**row, 'rejected': None})}\n")
    lists.write_text(json.dumps({"prompt": "what is blue?", "response_a1": "the sky", "response_b1": "a dog"}))
    strengths = tmp_path / "strengths.json"
    strengths.write_text('{"a1": 0.9, "b1": 0.2}')
    result = run(
        "eval",
        "answers",
        str(pairs),
        str(lists),
        "--strengths",
        str(strengths),
        "-m",
        model,
        "-o",
        str(tmp_path / "found.json"),
    )
    assert result.returncode == 0, result.stderr.decode()
    assert "longest" in result.stdout.decode()
    assert "pairs.jsonl:2 is left out" in result.stderr.decode()
    found = json.loads((tmp_path / "found.json").read_text())
    assert [table["source"] for table in found["tables"]] == ["lists", "pairs", "all"]
    assert found["tables"][0]["systems"]["longest"]["worth"] == 0.9
    result = run("eval", "answers", str(pairs), "-m", model, "-o", str(tmp_path / "found.md"))
    assert "## pairs: 1 instructions" in (tmp_path / "found.md").read_text()
    assert run("eval", "answers", str(lists), "-m", model).returncode == 2
    strengths.write_text("[]")
    assert b"JSON object" in run("eval", "answers", str(lists), "--strengths", str(strengths), "-m", model).stderr
