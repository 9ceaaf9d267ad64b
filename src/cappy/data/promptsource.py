"""PromptSource templates (Bach et al., 2022, arXiv 2202.01279): reading them and applying them to rows.

Templates are untrusted text: the YAML is read by a safe loader extended by two harmless tags, and the Jinja runs in a
sandbox.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cappy.errors import InputError, MissingExtraError
from cappy.group import Example

try:
    import yaml
    from jinja2 import Environment, StrictUndefined, TemplateError
    from jinja2.meta import find_undeclared_variables
    from jinja2.sandbox import ImmutableSandboxedEnvironment
except ImportError as error:
    raise MissingExtraError("building data and reading templates", "data") from error

SEPARATOR = "|||"
_SHIELD = "\x00pipes\x00"
"""Replaces the separator if a row's own text contains it."""


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # yaml comes without types
    """A safe loader that reads PromptSource's two tags as plain mappings."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    return dict(loader.construct_mapping(node, deep=True))


for _tag in ("!Template", "!TemplateMetadata"):
    _Loader.add_constructor(_tag, _mapping)


def _environment() -> Environment:
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, finalize=_filled)
    environment.globals["zip"] = zip
    environment.filters["choice"] = lambda options: next(iter(options))
    environment.filters["most_frequent"] = _most_frequent
    return environment


def _filled(value: Any) -> Any:
    """Refuse to write None into a text: it is a missing value, not a word of the row."""
    if value is None:
        raise ValueError("it writes a value that is missing (null)")
    return value


def _most_frequent(items: Sequence[Any]) -> list[Any]:
    counts = Counter(items).most_common()
    return [item for item, count in counts if count == counts[0][1]]


@dataclass(frozen=True, slots=True)
class Rendering:
    """A template applied to a row: the prompt, its references, and the answer choices if it has any."""

    prompt: str
    references: tuple[str, ...]
    choices: tuple[str, ...] | None


@dataclass(frozen=True)
class Template:
    """One PromptSource template. `render` raises InputError if the row lacks a column."""

    name: str
    jinja: str
    answer_choices: str | None
    original_task: bool

    @cached_property
    def _compiled(self) -> dict[str, Any]:
        environment = _environment()
        texts = {"jinja": self.jinja, "answer_choices": self.answer_choices}
        return {which: environment.from_string(text) for which, text in texts.items() if text is not None}

    @cached_property
    def variables(self) -> frozenset[str]:
        """The columns that the template's texts name.

        Raises:
            InputError: a text is not a Jinja template.

        """
        try:
            parsed = [_environment().parse(text) for text in (self.jinja, self.answer_choices) if text]
        except TemplateError as error:
            raise InputError(f"template {self.name!r} cannot be read: {error}") from error
        return frozenset(name for tree in parsed for name in find_undeclared_variables(tree)) - {"answer_choices"}

    def choices(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the answer choices of a row; empty if the template has none."""
        return self._parts("answer_choices", row) if self.answer_choices else ()

    def render(self, row: Mapping[str, Any]) -> Rendering | None:
        """Apply the template to a row; None if it does not apply (an empty prompt or no reference)."""
        choices = self.choices(row) if self.answer_choices else None
        prompt, *answers = self._parts("jinja", row if choices is None else {**row, "answer_choices": list(choices)})
        references = tuple(answer for answer in answers if answer)
        return Rendering(prompt, references, choices) if prompt and references else None

    def _parts(self, which: str, row: Mapping[str, Any]) -> tuple[str, ...]:
        """Fill a row into one of the two texts, and split it at the template's own separators."""
        try:
            text = self._compiled[which].render(**{key: _shield(value) for key, value in row.items()})
        except (TemplateError, LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            raise InputError(f"template {self.name!r} does not fit the row: {type(error).__name__}: {error}") from error
        return tuple(_unshield(part) for part in text.split(SEPARATOR))


def _shield(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(SEPARATOR, _SHIELD)
    if isinstance(value, list):
        return [_shield(item) for item in value]
    if isinstance(value, dict):
        return {key: _shield(item) for key, item in value.items()}
    return value


def _unshield(text: str) -> str:
    return text.strip().replace(_SHIELD, SEPARATOR)


def read_templates(folder: Path) -> list[Template]:
    """Read the templates of `templates.yaml` in `folder`, ordered by name.

    Raises:
        InputError: the file is missing or not a template collection, or two templates have the same name.

    """
    path = folder / "templates.yaml"
    try:
        # The safe loader is extended by two tags above and stays safe.
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506
        found = content["templates"].values()
        templates = [
            Template(
                name=str(entry["name"]),
                jinja=str(entry["jinja"]),
                answer_choices=entry.get("answer_choices"),
                original_task=bool((entry.get("metadata") or {}).get("original_task")),
            )
            for entry in found
        ]
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a readable PromptSource template file ({error}).") from error
    counts = Counter(template.name for template in templates)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:  # results are identified by the names
        raise InputError(f"{path}: two templates are called {twice[0]!r}.")
    return sorted(templates, key=lambda template: template.name)


def rendered_example(rendering: Rendering, task: str, template: str, address: str = "") -> Example:
    """Make an example of a rendering."""
    return Example(rendering.prompt, rendering.references, rendering.choices, task, template, address)
