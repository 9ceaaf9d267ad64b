from __future__ import annotations

import pytest

from cappy.data.options import choices_for, listed_options

BULLETS = "Which one?\n\n- carpet\n\n- breadbox\n - fridge\n"
LETTERS = "Which one?\nOptions:\nA. carpet\nB. breadbox\nC. fridge"


@pytest.mark.parametrize(
    ("instruction", "response", "expected"),
    [
        (BULLETS, "fridge", ("carpet", "breadbox", "fridge")),
        (LETTERS, "B", ("A", "B", "C")),
        (LETTERS, "Carpet", ("Carpet", "breadbox", "fridge")),
        ("Which?\n\n- A: more\n- B: less", "A", ("A", "B")),
        ("(1) dog\n(2) cat\n", "2", ("1", "2")),
        ('Choose between "grasshopper" and  "beetle".', "beetle", ("grasshopper", "beetle")),
        ("(choices are regular water or salt water ):", "salt water", ("regular water", "salt water")),
        ("Possible answers: Save the money, Quit her job", "Quit her job", ("Save the money", "Quit her job")),
        (BULLETS, "sofa", None),
        ("C. third\nD. fourth", "C", None),  # marks that do not begin at the first are no list of options
        ("no options here", "no", None),
        ("- same\n- same", "same", None),
    ],
)
def test_choices_listed_in_the_text(instruction: str, response: str, expected: tuple[str, ...] | None) -> None:
    assert choices_for(response, listed_options(instruction)) == expected


def test_two_lists_are_kept_apart() -> None:
    lists = listed_options("Facts:\n- one\n- two\nOptions:\n- three\n- four")
    assert [options.texts for options in lists] == [("one", "two"), ("three", "four")]
