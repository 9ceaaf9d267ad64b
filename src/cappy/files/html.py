"""Self-contained HTML pages, rendered from templates in the package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

from cappy.errors import MissingExtraError

TEMPLATE = "page.html.j2"


def render(package: str, values: Mapping[str, Any], filters: Mapping[str, Callable[..., str]] | None = None) -> str:
    """Render the template in `package`; values are escaped, and a missing one is an error.

    Raises:
        MissingExtraError: jinja2 is not installed.

    """
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError as error:
        raise MissingExtraError("the report", "data") from error
    template = files(package).joinpath(TEMPLATE).read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= filters or {}
    page: str = environment.from_string(template).render(values)
    return page
