"""Recipe files: a YAML description of what a store of groups is built from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from cappy.checkpoint.find import find_encoder
from cappy.data.bigbench import GENERATIVE_TASKS
from cappy.data.build import BuildPlan
from cappy.data.judged_source import JudgedSource
from cappy.data.negatives import WrongAnswers
from cappy.data.source import Source
from cappy.data.sources import BigBenchSource, RenderedSource, TableSource, TemplateSource
from cappy.errors import InputError, MissingExtraError
from cappy.files.archives import cache_folder
from cappy.files.atomic import sha256

BUNDLED = ("t0", "t0-50k")
"""Bundled recipes: the paper's mixture from the hub, and a small rendered copy of it."""
ON_PROBLEM = ("skip", "fatal")
WEIGHTS = "model.safetensors"


def read_recipe(name: str, data: Path | None = None, templates: Path | None = None) -> BuildPlan:
    """Read a recipe: one of `BUNDLED` by name, or a YAML file.

    Files are relative to `data`, or to the recipe's folder. Template folders are in `templates`, the recipe's own
    `templates`, or where `cappy data fetch promptsource` put them.

    Raises:
        InputError: the recipe is missing or cannot be understood.

    """
    content, home = _load(name)
    home = data or home
    wrong = _made(WrongAnswers, content.get("wrong") or {}, f"{name}: wrong")
    on_problem = content.get("on_problem", "skip")
    if on_problem not in ON_PROBLEM:
        raise InputError(f"{name}: on_problem must be one of {', '.join(ON_PROBLEM)}.")
    seed = content.get("seed", 0)
    if not isinstance(seed, int):
        raise InputError(f"{name}: seed must be a whole number.")
    unknown = set(content) - {"seed", "wrong", "on_problem", "templates", "sources", "about"}
    if unknown:
        raise InputError(f"{name}: {', '.join(sorted(map(str, unknown)))} is not understood.")
    listed = content.get("sources")
    if not isinstance(listed, list) or not listed:
        raise InputError(f"{name} lists no sources.")
    folder = templates or _first_there(home / str(content.get("templates", "promptsource_templates")), "promptsource")
    sources = tuple(_source(entry, home, folder, f"{name}, source {n}") for n, entry in enumerate(listed, 1))
    facts = {**content, "wrong": asdict(wrong)}
    if wrong.hard and wrong.hard_by == "embedding":
        encoder = _encoder(wrong.encoder, home)
        wrong = replace(wrong, encoder=str(encoder))
        # The same name may later mean another encoder; a store must not mix two.
        facts["encoder_sha256"] = sha256(encoder / WEIGHTS)
    return BuildPlan(sources, wrong, seed, on_problem == "fatal", facts)


def _load(name: str) -> tuple[dict[str, Any], Path]:
    try:
        import yaml
    except ImportError as error:
        raise MissingExtraError("reading recipes", "data") from error
    path = Path(name)
    try:
        if name in BUNDLED:
            text = files("cappy.data").joinpath("recipes", f"{name}.yaml").read_text(encoding="utf-8")
            path = Path(f"{name}.yaml")
        else:
            text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(
            f"{name} is not a readable recipe ({error}); bundled ones are {', '.join(BUNDLED)}."
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"{name} is not a recipe: it must name its sources.")
    return content, path.parent


def _source(entry: Any, home: Path, templates: Path, place: str) -> Source:
    """Make a source from its entry; its kind is the key rendered, table, judged, data or bigbench."""
    if not isinstance(entry, Mapping):
        raise InputError(f"{place} must be a mapping.")
    options = dict(entry)
    if "left_out" in options:
        options["left_out"] = _names(options["left_out"])
    kind: Callable[..., Source]
    if "rendered" in options:
        kind, options["path"] = RenderedSource, home / str(options.pop("rendered"))
    elif "table" in options:
        kind, options["path"] = TableSource, home / str(options.pop("table"))
    elif "judged" in options:
        kind, options["path"] = JudgedSource, home / str(options.pop("judged"))
    elif "bigbench" in options:
        tasks = options.pop("bigbench")
        kind, options["tasks"] = BigBenchSource, GENERATIVE_TASKS if tasks == "all" else _names(tasks)
        options["folder"] = _first_there(home / str(options.get("folder", "bigbench")), "bigbench")
    elif "data" in options:
        name = str(options["data"])
        kind, local = TemplateSource, home / name
        options["templates"] = templates / str(options.get("templates", name))
        options["data"] = str(local) if local.exists() else name
    else:
        raise InputError(f"{place} must have one of the keys rendered, table, judged, data or bigbench.")
    source: Source = _made(kind, options, place)
    return source


def _names(listed: Any) -> Any:
    """Return a list of names, or a single name, as a tuple; `_made` refuses anything else."""
    if isinstance(listed, str):
        return (listed,)
    return tuple(listed) if isinstance(listed, list) else listed


def _encoder(name: str, home: Path) -> Path:
    """Return a sentence encoder's folder: relative to the recipe, any other folder, or from the hub."""
    folder = home / name if (home / name).is_dir() else find_encoder(name)
    if not (folder / WEIGHTS).is_file():
        raise InputError(f"{folder} is not a sentence encoder: it has no {WEIGHTS}.")
    return folder


def _first_there(folder: Path, fetched: str) -> Path:
    """Return the recipe's folder, or what `cappy data fetch` downloaded if that is missing."""
    return folder if folder.exists() else cache_folder() / fetched


def _fits(value: Any, hint: Any) -> bool:
    """Return whether a YAML value has an option's type: a plain class, a union, a tuple or mapping of strings."""
    if get_origin(hint) is UnionType:
        return any(_fits(value, part) for part in get_args(hint))
    if get_origin(hint) is tuple:
        return isinstance(value, tuple) and all(isinstance(item, str) for item in value)
    if get_origin(hint) is Mapping:
        kinds = get_args(hint)
        return isinstance(value, Mapping) and all(all(map(_fits, item, kinds)) for item in value.items())
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))


def _made(kind: Callable[..., Any], options: Mapping[str, Any], place: str) -> Any:
    """Call `kind` with the options; unknown options are an error that names the place."""
    hints = get_type_hints(kind)
    for name, value in options.items():
        if name in hints and not _fits(value, hints[name]):
            raise InputError(f"{place}: {name} cannot be {value!r}.")
    try:
        return kind(**options)
    except (TypeError, InputError) as error:
        raise InputError(f"{place}: {(str(error).partition('() ')[2] or str(error)).rstrip('.')}.") from error
