"""A pseudo-terminal of a given size, and a command run in it as a person would."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

STYLES = re.compile(r"\x1b\[[0-9;]*m")


def watch(*arguments: str, columns: int = 100, **environment: str) -> str:
    """Run `cappy` with standard output on a pseudo-terminal; return what it shows, styles among it."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    cleared = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLORTERM")
    kept = {name: value for name, value in os.environ.items() if name not in cleared}
    process = subprocess.Popen(
        [sys.executable, "-m", "cappy.cli.app", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={**kept, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **environment},
    )
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)
    complaint = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 0, complaint
    return shown.decode().replace("\r\n", "\n")


def plain(shown: str) -> str:
    """Take the styles away."""
    return STYLES.sub("", shown)
