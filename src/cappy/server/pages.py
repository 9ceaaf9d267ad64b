"""The server's pages: the playground at `/` and the API reference at `/docs`."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cappy.server.reference import reference_html

SCRIPTS = ("dom", "api", "candidates", "results", "effects", "snippets", "sampling", "main")
"""The playground's scripts in the order they are joined; the last one starts it."""


class Pages:
    """An ASGI layer that serves the pages and passes everything else on.

    It comes before the gate: the pages are public, and users enter their key in the playground.
    """

    def __init__(self, app: ASGIApp, description: Mapping[str, Any]) -> None:
        """Wrap `app`, whose OpenAPI document is `description`; the pages are built once, here."""
        self.app = app
        self._pages = {
            "/": playground(),
            "/docs": page(reference_html(description), read("style.css", "reference.css")),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer GET and HEAD requests for a page."""
        found = scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and self._pages.get(scope["path"])
        await (found or self.app)(scope, receive, send)


def playground() -> Response:
    """Return the playground as one page with inline styles and scripts."""
    return page(
        read("playground.html"),
        read("style.css", "playground.css", "results.css"),
        read(*(f"{name}.js" for name in SCRIPTS)),
    )


def page(html: str, style: str, script: str = "") -> Response:
    """Return a page with inline `style` and `script`, and a policy that blocks everything else."""
    # Browsers hash exactly the text between the tags.
    body = html.replace("/*style*/", style).replace("/*script*/", script)
    policy = (
        f"default-src 'none'; style-src {_hashed(style)}; script-src {_hashed(script)}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
    return Response(body, media_type="text/html", headers=headers)


def read(*names: str) -> str:
    """Return the joined text of playground files."""
    folder = files("cappy.server").joinpath("playground")
    return "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in names)


def _hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
