"""What `cappy rank`, `boost` and `explain` show a person at a terminal, and what they print elsewhere."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from rich.cells import cell_len

import cappy
from cappy.cli.bars import WIDTH, Bar, min_max_scaled
from tests.cli.terminal import plain, watch
from tests.cli.test_commands import run
from tests.server.stubs import answering, says

ASKED, SAID = "is the sky green ?", "no good"
SAMPLES = ["blue", "green and blue", "red"]


@pytest.fixture(scope="module")
def model(shared_bert: Path) -> str:
    return str(shared_bert)


@pytest.mark.parametrize(
    ("share", "blocks", "signs"),
    [
        (1, "█" * WIDTH, "#" * WIDTH),
        (0.99, "█" * 9 + "▉", "#" * 10),
        (0.5, "█" * 5, "#" * 5),
        (0.0125, "▏", ""),
        (0.0, "", ""),
        (-0.2, "", ""),
        (1.3, "█" * WIDTH, "#" * WIDTH),
        (math.nan, "", ""),
    ],
)
def test_bars_have_the_length_of_their_share(share: float, blocks: str, signs: str) -> None:
    assert Bar(share).text() == blocks
    assert Bar(share).text(ascii_only=True) == signs


def test_values_are_scaled_from_the_least_to_the_greatest() -> None:
    assert min_max_scaled([-3.0, 1.0, -1.0]) == [0.0, 1.0, 0.5]
    assert min_max_scaled([2.0, 2.0]) == [1.0, 1.0]
    assert min_max_scaled([]) == []
    first, *rest = min_max_scaled([math.nan, 0.0, 4.0])
    assert math.isnan(first) and rest == [0.0, 1.0]


def test_rank_shows_bars_at_a_terminal_alone(model: str) -> None:
    ranking = cappy.load(model).rank(ASKED, ["yes", "no", "maybe"])
    shown = plain(watch("rank", ASKED, "yes", "no", "maybe", "-m", model))
    for item in ranking:
        (line,) = [line for line in shown.splitlines() if f" {item.text} " in line]
        assert f"{item.score:.4f} │ {Bar(item.score).text():{WIDTH}} │" in line
    piped = run("rank", ASKED, "yes", "no", "maybe", "-m", model).stdout.decode()
    assert "█" not in piped and "\x1b" not in piped


def test_rank_prints_what_it_always_did_where_nobody_watches(model: str) -> None:
    first, second = cappy.load(model).rank(ASKED, ["yes", "no"])
    assert run("rank", ASKED, "yes", "no", "-m", model).stdout.decode() == table(first, second)


def table(*items: cappy.Ranked) -> str:
    """Write the table of `cappy rank` by hand."""
    numbers = [f"{item.score:.4f}" for item in items]
    width = max(map(len, ["score", *numbers]))
    lines = [f"┏━━━┳{'━' * (width + 2)}┳━━━━━━━━━━━┓", f"┃   ┃ {'score':>{width}} ┃ candidate ┃"]
    lines.append(f"┡━━━╇{'━' * (width + 2)}╇━━━━━━━━━━━┩")
    for place, (number, item) in enumerate(zip(numbers, items, strict=True), 1):
        lines.append(f"│ {place} │ {number:>{width}} │ {item.text:9} │")
    return "\n".join([*lines, f"└───┴{'─' * (width + 2)}┴───────────┘", ""])


def test_no_colour_keeps_the_bars(model: str) -> None:
    shown = watch("rank", ASKED, "yes", "no", "-m", model)
    assert "\x1b[32m" in shown
    quiet = watch("rank", ASKED, "yes", "no", "-m", model, NO_COLOR="1")
    assert "\x1b[32m" not in quiet and plain(quiet) == plain(shown)


@pytest.mark.parametrize("columns", [20, 47, 48, 60])
def test_tables_fit_narrow_terminals_and_wide_characters(model: str, columns: int) -> None:
    texts = ["空は青い、緑ではない。" * 4, "the sky is blue and green and the fire is red 🔥" * 2]
    shown = plain(watch("rank", ASKED, *texts, "-m", model, columns=columns))
    assert all(cell_len(line) <= columns for line in shown.splitlines())
    top = next(line for line in shown.splitlines() if line.startswith("┏"))
    assert top.count("┳") == (3 if columns >= 48 else 2)


def test_terminals_without_blocks_get_signs(model: str) -> None:
    shown = watch("rank", "is the sky blue ?", "yes", "no", "-m", model, PYTHONIOENCODING="ascii")
    assert shown.isascii() and "+" in shown


def test_boost_shows_bars_at_a_terminal_alone(model: str) -> None:
    with answering(says(SAMPLES)) as address:
        asked = ("boost", ASKED, "-n", "3", "--llm", "stub", "--base-url", f"{address}/v1", "-m", model)
        lines = plain(watch(*asked, "--selector", "longest")).splitlines()
        bars = {text: next(line for line in lines if f"│ {text} " in line).split("│")[3] for text in SAMPLES}
        assert [bars[text].strip() for text in SAMPLES] == [Bar(1 / 11).text(), "█" * WIDTH, ""]
        piped = run(*asked, "--selector", "longest").stdout.decode()
        assert "█" not in piped and "green and blue" in piped


def test_explain_prints_signed_numbers_and_json(model: str) -> None:
    expected = cappy.explain(cappy.load(model), ASKED, SAID)
    lines = run("explain", ASKED, SAID, "-m", model).stdout.decode().splitlines()
    assert lines[0] == f"{expected.score:.4f}"
    effects = [float(line.split()[0]) for line in lines[1:]]
    assert [abs(one) for one in effects] == sorted(map(abs, effects), reverse=True)
    found = json.loads(run("explain", ASKED, SAID, "-m", model, "--json").stdout)
    assert found["score"] == pytest.approx(expected.score, abs=1e-5) and "tokens_cut" not in found
    assert [one["text"] for one in found["effects"]["response"]] == ["no", "good"]
    for side in ("instruction", "response"):
        given = [(one["start"], one["end"], one["effect"]) for one in found["effects"][side]]
        same = [(one.start, one.end, pytest.approx(one.effect, abs=1e-5)) for one in getattr(expected, side)]
        assert given == same


def test_explain_colours_words_by_their_effect(model: str) -> None:
    expected = cappy.explain(cappy.load(model), ASKED, SAID)
    shown = watch("explain", ASKED, SAID, "-m", model)
    effects = [*expected.instruction, *expected.response]
    strongest = max(effects, key=lambda one: abs(one.effect))
    for one in effects:
        if abs(one.effect) >= 0.5 * abs(strongest.effect):
            assert f"\x1b[1;{'32' if one.effect > 0 else '4;31'}m{one.text}\x1b[0m" in shown
    text = plain(shown)
    assert ASKED in text and SAID in text and "raised the score" in text and "lowered it" in text
    assert f"{strongest.effect:+.4f}, {strongest.text}" in text


def test_explain_without_colours_prints_numbers_at_a_terminal_too(model: str) -> None:
    piped = run("explain", ASKED, SAID, "-m", model).stdout.decode()
    assert watch("explain", ASKED, SAID, "-m", model, NO_COLOR="1") == piped
    assert watch("explain", ASKED, SAID, "-m", model, TERM="dumb") == piped


@pytest.mark.parametrize("columns", [12, 40])
def test_explain_fits_narrow_terminals_and_disarms_control_characters(model: str, columns: int) -> None:
    asked = "空は緑ですか? the\x1b]0;title\x07 sky\tis\n" + "blue " * 20
    shown = plain(watch("explain", asked, "はい yes", "-m", model, columns=columns))
    assert all(cell_len(line) <= columns for line in shown.splitlines())
    assert "\x1b" not in shown and "\x07" not in shown and "�]0;title�" in shown.replace("\n", "")


def test_explain_reads_standard_input_and_says_what_was_cut(model: str) -> None:
    result = run("explain", "-", "yes", "-m", model, "--limit", "3", stdin=b"what " * 500)
    head, *lines = result.stdout.decode().splitlines()
    assert "instruction tokens cut" in head and len(lines) == 4
    wrong = run("explain", "what ?", "yes", "-m", model, "--limit", "0")
    assert wrong.returncode == 2
