"""A headless Chromium, and the playground as a person uses it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

FLAGS = """
--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync
""".split()
SECONDS = 30
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHROMEDRIVER = shutil.which("chromedriver")
# Marks, so that tests are skipped before any server is started for them.
needs_browser = [
    pytest.mark.browser,
    pytest.mark.skipif(not (CHROMIUM and CHROMEDRIVER), reason="there is no Chromium with its chromedriver"),
]


def start(profile: Path) -> Any:
    """Start the browser."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in [*FLAGS, f"--user-data-dir={profile}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(CHROMEDRIVER))


class Page:
    """The playground in a browser."""

    def __init__(self, driver: Any, address: str, width: int = 1280, dark: bool = False) -> None:
        self.driver = driver
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        for log in ("performance", "browser"):
            driver.get_log(log)
        driver.get(address + "/")

    def all(self, selector: str) -> list[Any]:
        return self.driver.find_elements("css selector", selector)

    def one(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def texts(self, selector: str) -> list[str]:
        return [found.text for found in self.all(selector)]

    def run(self, script: str) -> Any:
        return self.driver.execute_script(f"return {script}")

    def fill(self, instruction: str, candidates: list[str]) -> None:
        """Type an instruction, and as many candidates as are given."""
        while len(self.all("#candidates textarea")) > len(candidates):
            self.all("#candidates .remove")[-1].click()
        while len(self.all("#candidates textarea")) < len(candidates):
            self.one("#add").click()
        boxes = [self.one("#instruction"), *self.all("#candidates textarea")]
        for box, text in zip(boxes, [instruction, *candidates], strict=True):
            box.clear()
            box.send_keys(text)

    def score(self) -> None:
        """Press Score and wait for the results."""
        self.one("#score").click()
        self.settled()
        assert not self.one("#problem").is_displayed(), self.one("#problem").text

    def settled(self) -> None:
        """Wait until nothing runs any more."""
        self.until("#output:not([aria-busy])")

    def show_code(self) -> None:
        """Open what shows the calls: by key, as a page that grows on a slow machine moves away from under a click."""
        self.one("#code summary").send_keys("\n")
        self.until("#curl")

    def until(self, selector: str) -> Any:
        """Wait for an element that can be seen, and return it."""
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, SECONDS, 0.05).until(
            lambda _: next((found for found in self.all(selector) if found.is_displayed()), None)
        )

    def requested(self) -> set[str]:
        """Return the addresses asked for since the page was opened."""
        messages = [json.loads(line["message"])["message"] for line in self.driver.get_log("performance")]
        return {one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"}

    def complaints(self) -> list[str]:
        """Return what the browser's console says, a policy that was broken among it."""
        return [line["message"] for line in self.driver.get_log("browser")]
