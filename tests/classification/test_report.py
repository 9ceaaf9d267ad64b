"""What a classifier's report counts."""

from __future__ import annotations

import numpy as np
import pytest

from cappy.classification.report import Judgement, page

JUDGED = Judgement(
    ["a", "b", "<c>", "d"],
    np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]], dtype=bool),
    ["x", "y", "z"],
    np.array([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.3, 0.6, 0.1], [0.8, 0.05, 0.15]]),
)


def test_counts() -> None:
    assert JUDGED.names(JUDGED.told) == ["x", "y", "y", "x"]
    assert JUDGED.confused() == [("x", "y", 1), ("y", "x", 1)]
    assert [(one["label"], one["texts"], one["recall"], one["precision"]) for one in JUDGED.by_class()] == [
        ("x", 2, 0.5, 0.5),
        ("y", 2, 0.5, 0.5),
        ("z", 0, None, None),
    ]
    assert JUDGED.hardest() == [("d", "y", "x", 0.05), ("b", "x", "y", 0.2)]


def test_coverage_goes_from_the_surest_text_to_all() -> None:
    assert JUDGED.coverage() == [(0.25, 1.0), (0.5, 0.5), (0.75, pytest.approx(1 / 3)), (1.0, 0.5)]


def test_the_page_escapes_texts_and_needs_nothing_beside_it() -> None:
    html = page(JUDGED, "mine <b>", "all <i>", {"learnt": "4 texts"})
    assert "mine &lt;b&gt;" in html
    assert html.count("<tr>") == 1 + 3 + 1 + 2 + 1 + 2
    assert "http" not in html


SEVERAL = Judgement(
    ["a", "b", "c"],
    np.array([[1, 1], [0, 0], [1, 0]], dtype=bool),
    ["x", "y"],
    np.array([[0.9, 0.8], [0.1, 0.3], [0.4, 0.6]]),
    several=True,
)


def test_texts_with_several_labels_or_none() -> None:
    assert SEVERAL.names(SEVERAL.told) == ["x, y", "none", "y"]
    assert SEVERAL.right.tolist() == [True, True, False]
    assert [(one["recall"], one["precision"]) for one in SEVERAL.by_class()] == [(0.5, 1.0), (1.0, 0.5)]
    assert SEVERAL.hardest() == [("c", "x", "y", 0.4)]
    assert SEVERAL.coverage() == [(pytest.approx(1 / 3), 1.0), (pytest.approx(2 / 3), 1.0), (1.0, pytest.approx(2 / 3))]
    html = page(SEVERAL, "mine", "all", {})
    assert "Confused" not in html
    assert "Hardest" in html
