"""The OpenAPI document, and that the server keeps to it, whatever it is sent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from scripts.reference import openapi

from tests.server.conftest import Running

JSON = {"content-type": "application/json"}
PATHS = [path for path, methods in openapi()["paths"].items() if "post" in methods]
SHAPES = {"/rerank": "InferenceError", "/predict": "InferenceError", "/v1/rerank": "CohereError"}
SHAPES["/v2/rerank"] = "CohereError"
HOSTILE = [
    b"",
    b"{",
    b"null",
    b"\xff\xfe{}",
    b"[" * 100_000,
    b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    b'{"model": "\\ud800", "query": "\\ud800"}',
    b'{"instruction": "\\u0000", "candidates": ["\\u0000"], "response": "\\udfff", "limit": 1e400}',
    b'{"model": "nowhere\\u0000\\ud800", "text_1": "a", "text_2": "b", "inputs": ["a", "b"], "query": 1}',
    b'{"top_n": NaN, "top_k": -Infinity, "limit": 99999999999999999999999}',
    b" " * (9 * 2**20),
]


@pytest.fixture(scope="module")
def document(server: str) -> dict[str, Any]:
    return httpx.get(server + "/openapi.json").json()


def conforms(document: dict[str, Any], path: str, answer: httpx.Response) -> None:
    """Assert that an answer's status is declared for its path, and that its body has the declared shape."""
    jsonschema_rs = pytest.importorskip("jsonschema_rs")
    declared = document["paths"][path]["post"]["responses"]
    assert str(answer.status_code) in declared, answer.text
    schema = declared[str(answer.status_code)]["content"]["application/json"]["schema"]
    jsonschema_rs.validate({**schema, "components": document["components"]}, answer.json())


def test_every_path_declares_its_own_errors(document: dict[str, Any]) -> None:
    for path in PATHS:
        declared = document["paths"][path]["post"]["responses"]
        schema = json.dumps(declared["422"]["content"])
        assert f'schemas/{SHAPES.get(path, "OpenAIError")}"' in schema
        assert {"200", "400", "401", "404", "405", "413", "422", "429", "500", "503"} <= set(declared)
    assert {"/score", "/rerank", "/v1/completions", *SHAPES} <= set(PATHS)
    assert "HTTPValidationError" not in document["components"]["schemas"]


@pytest.mark.parametrize("path", PATHS)
def test_hostile_bodies_are_answered_as_declared(server: str, document: dict[str, Any], path: str) -> None:
    for body in HOSTILE:
        answer = httpx.post(server + path, content=body, headers=JSON)
        assert answer.status_code < 500, (body[:60], answer.text)
        conforms(document, path, answer)


def test_other_refusals_are_as_declared(document: dict[str, Any]) -> None:
    running = Running("--api-key", "secret", "-m", "one=cappy-mini", "-m", "two=cappy-mini")
    key = {"x-api-key": "secret"}
    try:
        for path in PATHS:
            unknown = {"model": "x", "query": "a", "documents": ["b"], "instruction": "{text}", "candidates": ["b"]}
            unknown |= {"response": "b", "text_1": "a", "text_2": "b", "input": "a", "choices": ["b", "c"]}
            answers = [
                httpx.post(running.address + path, json={}),
                httpx.request("DELETE", running.address + path, headers=key),
                httpx.post(running.address + path, json=unknown, headers=key),
            ]
            assert [answer.status_code for answer in answers[:2]] == [401, 405]
            if path not in ("/rerank", "/predict", "/zero-shot-classification") and not path.endswith("completions"):
                assert answers[2].status_code == 404, (path, answers[2].text)
            for answer in answers:
                conforms(document, path, answer)
    finally:
        running.stop()


def test_schemathesis_finds_no_failure(server: str, tmp_path: Path) -> None:
    pytest.importorskip("schemathesis")
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{server}/openapi.json", "--mode", "all"]
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    command += ["--checks", checks, "--phases", "examples,fuzzing", "-n", "10", "--seed", "1"]
    result = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True, env={**os.environ})
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-1000:]
    assert "passed" in result.stdout
