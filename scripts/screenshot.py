"""Draw the playground as README shows it: docs/assets/playground-light.png and playground-dark.png.

python scripts/screenshot.py        # needs Chromium with its chromedriver, and the extras serve and dev
"""

from __future__ import annotations

import base64
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
PORT = 8199
INSTRUCTION = """The Danube rises in the Black Forest, flows through ten countries and ends in the Black Sea.
Into which sea does the Danube flow?"""
CANDIDATES = ["The North Sea.", "The Black Sea.", "It rises in the Black Forest.", "Ten."]


def main() -> None:
    from tests.server.browser import Page, start

    command = [sys.executable, "-m", "cappy.cli.app", "serve", "--port", str(PORT)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{PORT}"
        wait(address)
        with tempfile.TemporaryDirectory() as profile:
            driver = start(Path(profile))
            for name in ("light", "dark"):
                page = Page(driver, address, width=1000, dark=name == "dark")
                page.fill(INSTRUCTION, CANDIDATES)
                page.score()
                time.sleep(1)  # bars grow
                options = {"format": "png", "captureBeyondViewport": True, "clip": clip(page)}
                taken = driver.execute_cdp_cmd("Page.captureScreenshot", options)["data"]
                target = ROOT / "docs" / "assets" / f"playground-{name}.png"
                target.write_bytes(base64.b64decode(taken))
                print(target)
            driver.quit()
    finally:
        server.terminate()
        server.wait()


def clip(page: object) -> dict[str, float]:
    """Return the part of the page from its top to the end of the results."""
    bottom = page.run("document.querySelector('#output').getBoundingClientRect().bottom + window.scrollY")  # type: ignore[attr-defined]
    return {"x": 0, "y": 0, "width": 1000, "height": float(bottom) + 24, "scale": 1}


def wait(address: str) -> None:
    for _ in range(300):
        try:
            if httpx.get(f"{address}/health").status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise SystemExit("the server did not start.")


if __name__ == "__main__":
    main()
