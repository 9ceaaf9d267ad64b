"""The playground in a real browser."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import cappy
from cappy.server.pages import playground
from tests.server.browser import Page, needs_browser, start
from tests.server.conftest import Running
from tests.server.stubs import Answer, answering, says

pytestmark = needs_browser
ASKED = "A customer writes: where is my new card?\nWhat is it about?"
CHOICES = ["exchange rate", "card arrival", "lost phone"]
HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>'


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    found = start(tmp_path_factory.mktemp("profile"))
    yield found
    found.quit()


@pytest.fixture(scope="module")
def scorer() -> cappy.Scorer:
    return cappy.load("mini")


@pytest.fixture
def page(driver: Any, server: str) -> Page:
    return Page(driver, server)


def test_scores_are_shown_in_order_with_bars(page: Page, server: str, scorer: cappy.Scorer) -> None:
    page.fill(ASKED, CHOICES)
    page.score()
    ranking = scorer.rank(ASKED, CHOICES)
    assert page.texts(".result .said") == [item.text for item in ranking]
    shown = [float(text.replace("−", "-")) for text in page.texts(".result .value")]
    assert shown == pytest.approx(ranking.scores, abs=2e-3)
    assert page.texts(".badge") == ["Best"] and "best" in page.one(".result").get_attribute("class")
    widths = page.run("[...document.querySelectorAll('.bar i')].map(i => i.getBoundingClientRect().width)")
    assert widths[0] / widths[1] == pytest.approx(shown[0] / shown[1], rel=0.1)
    assert "3 candidates scored by cappy-mini" in page.one("#status").text
    assert page.one("#status").get_attribute("role") == "status"  # read out when it changes
    assert page.requested() and all(url.startswith((server, "data:")) for url in page.requested())
    assert page.complaints() == []


def test_scores_outside_the_unit_interval_stay_inside_the_axis(driver: Any) -> None:
    items = [{"index": place, "text": "t", "score": score, "cut": {"instruction": 0, "response": 0}}
             for place, score in enumerate([1.2, 0.5, -0.3])]  # fmt: skip
    with answering(pretending(200, {"model": "m", "items": items})) as address:
        page = Page(driver, address)
        page.score()
        rectangle = "getBoundingClientRect()"
        for left, right in page.run(
            f"[...document.querySelectorAll('.bar')].map(b => {{const t = b.{rectangle}, f = b.firstChild.{rectangle};"
            "return [f.left - t.left, t.right - f.right]})"
        ):
            assert left >= -0.5 and right >= -0.5
        assert page.texts(".value") == ["1.200", "0.500", "−0.300"]
        assert len(page.all(".bar b")) == 6  # 0 and 1 are marked where they are not the axis's ends


def test_what_was_cut_is_said(page: Page, scorer: cappy.Scorer) -> None:
    page.run("document.getElementById('instruction').value = 'sea '.repeat(2000)")
    page.score()
    cut = scorer.rank("sea " * 2000, ["card arrival"]).best.cut
    assert f"{cut.instruction:,} tokens of the instruction cut" in page.texts(".cut")


def test_words_that_moved_the_score(page: Page, scorer: cappy.Scorer) -> None:
    asked = "Is \U0001f600 the card here? Where is my card?"  # outside the plane that strings here count in
    page.fill("", ["card arrival"])
    page.run(f"document.getElementById('instruction').value = {asked!r}")
    page.score()
    button = page.one(".result button")
    button.click()
    page.until(".strongest")
    assert button.get_attribute("aria-expanded") == "true"
    explained = cappy.explain(scorer, asked, "card arrival")
    assert page.texts(".marked") == ["card arrival", asked]
    spans = [*explained.response, *explained.instruction]
    most = max(abs(one.effect) for one in spans)
    strong = {(one.text, one.effect > 0) for one in spans if abs(one.effect) > 0.15 * most}
    marks = {(one.text, "up" in one.get_attribute("class")): one for one in page.all(".marked mark")}
    assert strong <= set(marks)
    top = max(spans, key=lambda one: abs(one.effect))
    way, _, amount = marks[top.text, top.effect > 0].get_attribute("title").partition(" the score by ")
    assert way == ("raised" if top.effect > 0 else "lowered")
    assert float(amount) == pytest.approx(abs(top.effect), abs=2e-3)
    assert page.texts(".strongest th")[0] == top.text
    styles = "new Set([...document.querySelectorAll('mark')].map(m => getComputedStyle(m).borderBottomStyle)).size"
    assert page.run(styles) == 2  # not by colour alone
    button.click()
    assert not page.all(".why") and button.get_attribute("aria-expanded") == "false"


def test_keyboard_alone(page: Page) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    def press(*keys: str) -> None:
        ActionChains(page.driver).send_keys(*keys).perform()

    def focused(what: str) -> str:
        return page.run(f"document.activeElement.{what}")

    press(*[Keys.TAB] * 5)  # a link, three examples, the instruction
    assert focused("id") == "instruction"
    ActionChains(page.driver).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).send_keys(
        "Is it so?"
    ).perform()
    while focused("id") != "add":
        press(Keys.TAB)
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") != "none"
    press(Keys.ENTER)
    assert focused("ariaLabel") == "Candidate 5"
    press("Yes, it is so.")
    ActionChains(page.driver).key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()
    page.until(".result")
    assert "Yes, it is so." in page.texts(".said")
    while "Which words" not in (focused("ariaLabel") or ""):
        press(Keys.TAB)
    press(Keys.ENTER)
    page.until(".strongest")
    unnamed = "[...document.querySelectorAll('input,select,textarea')].filter(e => !e.labels.length && !e.ariaLabel)"
    assert page.run(f"{unnamed}.length") == 0


@pytest.mark.parametrize("dark", [False, True])
def test_narrow_screens(driver: Any, server: str, dark: bool) -> None:
    page = Page(driver, server, width=360, dark=dark)
    page.fill("w" * 300, ["x" * 300, "y"])
    page.score()
    page.one(".result button").click()
    page.until(".strongest")
    page.show_code()
    assert page.run("document.documentElement.scrollWidth") <= 360
    background = page.run("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) < 200) == dark
    page.driver.get(server + "/docs")
    assert page.run("document.documentElement.scrollWidth") <= 360
    assert page.complaints() == []


def test_lines_become_candidates(page: Page) -> None:
    from selenium.webdriver.common.keys import Keys

    page.fill("Which?", ["one"])
    page.one("#candidates textarea").send_keys(Keys.ENTER, "two", Keys.ENTER, Keys.ENTER, "three")
    page.until(".split").click()
    boxes = page.all("#candidates textarea")
    assert [box.get_attribute("value") for box in boxes] == ["one", "two", "three"]
    assert [box.get_attribute("aria-label") for box in boxes] == ["Candidate 1", "Candidate 2", "Candidate 3"]
    page.score()
    assert len(page.all(".result")) == 3
    boxes[0].send_keys("!")
    assert page.one("#stale").is_displayed()  # the scores belong to the texts from before


def test_blank_boxes_are_left_out_and_numbers_kept(page: Page) -> None:
    page.fill("Which?", ["", "one"])
    page.score()
    assert "candidate 2" in page.one(".result").text
    page.fill("Which?", [" "])
    page.one("#score").click()
    assert "Add a candidate" in page.until("#problem").text


def test_texts_stay_texts(driver: Any) -> None:
    with answering(says([HOSTILE, "Paris"])) as llm:
        running = Running("--llm", llm + "/v1")
        try:
            page = Page(driver, running.address)
            page.fill(HOSTILE, [HOSTILE, "b"])
            page.score()
            page.one(".result button").click()
            page.until(".strongest")
            page.one("#ask").click()
            page.until(".result")
            page.settled()
            assert page.driver.title == "Cappy playground"
            assert HOSTILE in page.texts(".said")
            assert not page.all("main img, main script")
        finally:
            running.stop()


def test_a_language_model_gives_candidates(driver: Any) -> None:
    with answering(says(["Paris", "London", "Paris"])) as llm:
        running = Running("--llm", llm + "/v1", "-m", "one=cappy-mini", "-m", "two=cappy-mini")
        try:
            page = Page(driver, running.address)
            page.until("#scorer-choice")
            assert page.texts("#scorer option") == ["one", "two"]
            page.run("document.getElementById('scorer').value = 'two'")
            page.fill("Name the capital of France.", ["Rome"])
            page.one("#ask").click()
            page.until(".result")
            page.settled()
            assert sorted(page.texts(".said")) == ["London", "Paris"]  # each text once
            assert "scored by two" in page.one("#status").text
        finally:
            running.stop()


def test_without_a_language_model_it_says_how_to_start_one(page: Page) -> None:
    page.one("#ask").click()
    assert "cappy serve --llm smollm2" in page.until("#no-llm").text


def test_keys_limits_and_a_dead_server(driver: Any) -> None:
    running = Running("--api-key", "secret", "--candidates", "2")
    try:
        page = Page(driver, running.address)
        page.fill("Is it so?", ["Yes", "No"])
        page.one("#score").click()
        assert "API key" in page.until("#problem").text
        assert page.run("document.activeElement.id") == "key"
        page.one("#key").send_keys("secret")
        page.score()
        page.show_code()
        assert "CAPPY_API_KEY" in page.one("#curl").text and "secret" not in page.one("#code").text
        assert page.run("localStorage.length + sessionStorage.length + document.cookie.length") == 0
        page.one("#add").click()
        page.all("#candidates textarea")[-1].send_keys("Perhaps")
        page.one("#score").click()
        assert "too much" in page.until("#problem").text and "limit is 2" in page.one("#problem").text
    finally:
        running.stop()
    page.one("#score").click()
    page.settled()
    assert "cannot be reached" in page.until("#problem").text


def test_what_takes_too_long_can_be_stopped(driver: Any) -> None:
    asked, free = threading.Event(), threading.Event()
    at_once = pretending(200, {})

    def answer(path: str, body: Any) -> Answer:
        if body is not None:
            asked.set()
            free.wait(60)
        return at_once(path, body)

    with answering(answer) as address:
        page = Page(driver, address)
        page.one("#score").click()
        assert asked.wait(30)
        page.until("#stop").click()
        page.settled()
        assert page.one("#status").text == "Stopped."
        assert not page.one("#stop").is_displayed() and not page.all(".result")
        free.set()


@pytest.mark.parametrize(
    ("status", "headers", "content", "words"),
    [
        (429, {"retry-after": "7"}, {"error": {"message": "busy"}}, "Try again in 7 seconds"),
        (503, {}, {"error": {"message": "the server is stopping."}}, "The server is stopping."),
        (500, {}, "no JSON", "status 500"),
        (200, {}, "no JSON", "not JSON"),
    ],
)
def test_refusals_in_words(driver: Any, status: int, headers: dict[str, str], content: Any, words: str) -> None:
    with answering(pretending(status, content, headers)) as address:
        page = Page(driver, address)
        page.one("#score").click()
        assert words in page.until("#problem").text


def test_the_calls_shown_are_the_calls_made(page: Page) -> None:
    asked, said = "Is it 'so'? $HOME \\ `x`\n\"quoted\" é \U0001f600", ["it's", "no"]
    page.fill("", said)
    page.run(f"document.getElementById('instruction').value = {asked!r}")
    page.score()
    page.show_code()
    values = page.texts(".value")
    python = page.run("document.getElementById('python').textContent")
    ast.parse(python)
    ran = subprocess.run([sys.executable, "-c", python], check=True, capture_output=True, text=True, encoding="utf-8")
    assert [line.split()[0] for line in ran.stdout.splitlines()] == [value.replace("−", "-") for value in values]
    curl = page.run("document.getElementById('curl').textContent")
    ran = subprocess.run(["bash", "-c", curl + " -s"], check=True, capture_output=True, text=True, encoding="utf-8")
    best = json.loads(ran.stdout)["items"][0]["score"]
    assert float(values[0].replace("−", "-")) == pytest.approx(best, abs=0.0006)  # shown to three digits


def pretending(status: int, content: Any, headers: dict[str, str] | None = None) -> Callable[[str, Any], Answer]:
    """Be a Cappy whose page is the real one, and that answers every question with `content`."""
    page = playground()
    shown = {"content-type": "text/html", "content-security-policy": page.headers["content-security-policy"]}

    def answer(path: str, body: Any) -> Answer:
        if body is None and path == "/":
            return 200, shown, bytes(page.body)
        written = content if isinstance(content, str) else json.dumps(content)
        return status, headers or {}, written.encode()

    return answer
