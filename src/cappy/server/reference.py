"""The API reference as one static HTML page, generated from the OpenAPI document."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any

HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Cappy API</title>
<style>/*style*/</style>
</head>
<body>
<header class="top">
  <p class="brand">Cappy</p>
  <p class="tagline">API</p>
  <nav aria-label="Pages"><a href="./">Playground</a><a href="openapi.json">openapi.json</a></nav>
</header>
<main class="reference">
"""


def reference_html(document: Mapping[str, Any]) -> str:
    """Return the page: the list of paths, each operation with fields, example and responses, and the schemas."""
    operations = [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    tags = dict.fromkeys(operation["tags"][0] for _, _, operation in operations)
    parts = [HEAD, '<nav class="card" aria-label="Paths"><ul class="paths">']
    for method, path, operation in operations:
        summary = prose(operation.get("description", ""))
        link = f'<a href="#{anchor(method, path)}"><code>{method.upper()} {escape(path)}</code></a>'
        parts.append(f"<li>{link} <span>{summary}</span></li>")
    parts.append("</ul></nav>")
    for tag in tags:
        parts.append(f"<h2>{escape(tag.capitalize())}</h2>")
        parts += [_operation(document, *one) for one in operations if one[2]["tags"][0] == tag]
    parts.append("<h2>Schemas</h2>")
    parts += [_shape(name, schema) for name, schema in document["components"]["schemas"].items()]
    return "\n".join([*parts, "</main>\n</body>\n</html>\n"])


def prose(text: str) -> str:
    """Return a sentence as HTML; text in backticks becomes code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def anchor(method: str, path: str) -> str:
    """Return the HTML id of an operation."""
    return f"{method}-{path.strip('/').replace('/', '-')}"


def type_name(schema: Mapping[str, Any]) -> str:
    """Describe the type of a schema: `string`, `list of string or Document`, `integer (1 to 256)`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    shapes = schema.get("anyOf") or schema.get("oneOf")
    if shapes:
        return " or ".join(dict.fromkeys(type_name(one) for one in shapes if one.get("type") != "null"))
    if schema.get("type") == "array":
        return f"list of {type_name(schema.get('items', {}))}"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {type_name(schema['additionalProperties'])}"
    name, low, high = str(schema.get("type", "any")), schema.get("minimum"), schema.get("maximum")
    if low is None and high is None:
        return name
    return f"{name} ({low:g} to {high:g})" if None not in (low, high) else f"{name} (from {low:g})"


def _operation(document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> str:
    parts = [
        f'<section class="card" id="{anchor(method, path)}">',
        f"<h3><code>{method.upper()} {escape(path)}</code></h3>",
        f"<p>{prose(operation.get('description', ''))}</p>",
    ]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    # A path may accept several body schemas.
    for place, one in enumerate(body.get("oneOf", [body]) if body else []):
        model = _model(document, one)
        parts += ["<h4>Or body</h4>" if place else "<h4>Body</h4>", *_fields(model, _need)]
        for example in model.get("examples", [])[:1]:
            text = shlex.quote(json.dumps(example, ensure_ascii=False))
            call = f"curl localhost:8100{path} -H 'content-type: application/json' \\\n  -d {text}"
            parts += ["<h4>Example</h4>", f'<pre tabindex="0" aria-label="Example">{escape(call)}</pre>']
    schema = _schema(operation["responses"]["200"])
    if schema:
        parts.append(f"<h4>Response: {escape(type_name(schema))}</h4>")
        parts += _fields(_model(document, schema.get("items", schema)), lambda *_: "")
    parts += ["<details>", *_refusals(operation), "</details>"]
    return "\n".join([*parts, "</section>"])


def _shape(name: str, schema: Mapping[str, Any]) -> str:
    head = f'<section class="card" id="{escape(name)}"><h3><code>{escape(name)}</code></h3>'
    return "\n".join([head, f"<p>{prose(schema.get('description', ''))}</p>", *_fields(schema, _need), "</section>"])


def _fields(model: Mapping[str, Any], note: Callable[[Mapping[str, Any], str], str]) -> Iterator[str]:
    if "properties" not in model:
        return
    yield '<table class="fields"><tbody>'
    for name, schema in model["properties"].items():
        yield f'<tr><th scope="row"><code>{escape(name)}</code></th>'
        yield f"<td>{escape(type_name(schema))}</td><td>{escape(note(model, name))}</td></tr>"
    yield "</tbody></table>"


def _need(model: Mapping[str, Any], name: str) -> str:
    if name in model.get("required", []):
        return "required"
    found = model["properties"][name].get("default")
    return "optional" if found is None else f"default: {json.dumps(found, ensure_ascii=False)}"


def _refusals(operation: Mapping[str, Any]) -> Iterator[str]:
    refusals = {status: answer for status, answer in operation["responses"].items() if status != "200"}
    shapes = dict.fromkeys(type_name(_schema(answer)) for answer in refusals.values() if _schema(answer))
    yield f"<summary>Errors, as {escape(', '.join(shapes))}</summary>"
    yield '<table class="fields"><tbody>'
    for status, answer in refusals.items():
        yield f'<tr><th scope="row"><code>{escape(str(status))}</code></th>'
        yield f"<td>{prose(answer['description'])}</td></tr>"
    yield "</tbody></table>"


def _schema(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return found


def _model(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema, with a reference resolved."""
    found: Mapping[str, Any] = schema
    if "$ref" in schema:
        found = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    return found
