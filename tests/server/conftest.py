"""A real server process on loopback with the smaller bundled scorer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest


class Running:
    """A server process and its address."""

    def __init__(self, *options: str) -> None:
        if "-m" not in options:
            options = ("-m", "mini", *options)
        command = [sys.executable, "-m", "cappy.cli.app", "serve", "--port", "0", "--threads", "1", *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ})
        self.log: list[str] = []
        while True:
            line = self.process.stderr.readline()
            assert line, f"the server did not start: {self.log}"
            self.log.append(line)
            if '"listening"' in line:
                break
        self.address: str = json.loads(line)["address"]
        # What is written must be read, or the server waits once the pipe is full.
        self._reader = threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True)
        self._reader.start()

    def stop(self) -> str:
        """Stop it; return all it wrote."""
        self.process.terminate()
        self.process.wait(timeout=30)
        self._reader.join(timeout=10)
        return "".join(self.log)


@pytest.fixture(scope="package")
def server() -> Iterator[str]:
    running = Running()
    yield running.address
    assert "Traceback" not in running.stop()
