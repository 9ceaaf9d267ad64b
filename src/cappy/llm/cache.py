"""Samples cached on disk as they arrive: interrupted sampling resumes, and nothing is sampled twice."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from cappy.errors import InputError, LanguageModelError
from cappy.files.journal import Journal, locked
from cappy.llm.decoding import Decoding
from cappy.llm.model import LanguageModel, Sample, Samples

_BEGINNING = b'{"key": "'
CHUNK = 16
"""Prompts per write: the most that an interruption loses."""


class KeptSamples:
    """A language model whose samples are cached in a JSON lines file.

    The key is the model's name, the prompt, the decoding and the seed. If a prompt fails, the samples before the
    failure are kept and the rest is requested next time. Only one process may use the file at a time.
    """

    def __init__(self, llm: LanguageModel, path: Path | str, chunk: int = CHUNK) -> None:
        """Open or create the file `path`; a line left half written by a crash is cut off.

        Raises:
            InputError: the file cannot be used, or another process holds it.

        """
        path = Path(path)
        self._llm, self._path, self._chunk = llm, path, chunk
        self._known: dict[str, list[dict[str, Any]]] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b")
        except OSError as error:
            raise InputError(f"samples cannot be cached in {path} ({error.strerror or error}).") from error
        try:
            locked(self._file, f"another process uses the sample cache {path}.")
            self._known = _read_records(path)
            self._journal = Journal(path, self._file)
            self._journal.resume()
        except InputError:
            self._file.close()
            raise
        self._file.seek(0, os.SEEK_END)

    @property
    def name(self) -> str:
        """The name of the underlying model."""
        return self._llm.name

    @property
    def prompts_together(self) -> int:
        """How many prompts the underlying model answers at the same time."""
        return int(getattr(self._llm, "prompts_together", self._chunk))

    def found(self, prompt: str, decoding: Decoding, seed: int) -> list[Sample]:
        """Return the cached samples of a prompt, without sampling."""
        return list(self._samples(self._key(prompt, decoding, seed), decoding.name, "").samples)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def generate(
        self,
        prompts: Sequence[str],
        decoding: Decoding,
        seed: int,
        advance: Callable[[int], None] | None = None,
    ) -> list[Samples]:
        """Return cached samples and sample what is missing; `advance` is called with the number of prompts done.

        Raises:
            LanguageModelError: every prompt of a chunk failed; earlier samples are kept.
            InputError: the file cannot be written (a full disk); its content stays intact.

        """
        keys = [self._key(prompt, decoding, seed) for prompt in prompts]
        errors: dict[str, str] = {}
        missing: dict[int, dict[str, str]] = {}
        for key, prompt in zip(keys, prompts, strict=True):
            lacking = decoding.count - len(self._found(key))
            if lacking:
                missing.setdefault(lacking, {})[key] = prompt
        if advance:
            advance(sum(not any(key in some for some in missing.values()) for key in keys))
        for lacking, wanted in sorted(missing.items()):
            part = replace(decoding, count=lacking)
            for start in range(0, len(wanted), self._chunk):
                some = list(wanted.items())[start : start + self._chunk]
                # Samples after cached ones need another seed, or they would repeat them.
                made = self._llm.generate([prompt for _, prompt in some], part, seed + decoding.count - lacking)
                self._keep([key for key, _ in some], made)
                errors |= {key: samples.error for (key, _), samples in zip(some, made, strict=True) if samples.error}
                # When a run is repeated, prompts that fail for good are alone in a chunk, and must not end the run.
                if all(samples.error for samples in made) and not any(self._found(key) for key in keys):
                    raise LanguageModelError(f"all {len(some)} prompts failed, the first with: {made[0].error}")
                if advance:
                    advance(sum(keys.count(key) for key, _ in some))
        return [self._samples(key, decoding.name, errors.get(key, "")) for key in keys]

    def _key(self, prompt: str, decoding: Decoding, seed: int) -> str:
        facts = asdict(decoding)
        if decoding.beams == 1:
            del facts["count"]
        text = json.dumps([self._llm.name, facts, seed, prompt])
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def _found(self, key: str) -> list[dict[str, Any]]:
        return [sample for record in self._known.get(key, []) for sample in record["samples"]]

    def _keep(self, keys: Sequence[str], made: Sequence[Samples]) -> None:
        records = []
        for key, samples in zip(keys, made, strict=True):
            if not samples.samples:
                continue
            fields = [{"text": s.text, "log_likelihood": s.log_likelihood, "tokens": s.tokens} for s in samples.samples]
            records.append({"key": key, "prompt_tokens": samples.prompt_tokens, "samples": fields})
        try:
            self._journal.append(records)
        except OSError as error:
            raise InputError(f"samples cannot be cached in {self._path} ({error.strerror or error}).") from error
        for record in records:
            self._known.setdefault(str(record["key"]), []).append(record)

    def _samples(self, key: str, decoding: str, error: str) -> Samples:
        found = tuple(Sample(decoding=decoding, **fields) for fields in self._found(key))
        records = self._known.get(key, [])
        return Samples(found, error, records[0]["prompt_tokens"] if records else None)


def _read_records(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Read all complete lines by key. The file is not changed before it is known to be a cache of samples.

    Raises:
        InputError: the file is not a cache of samples.

    """
    found: dict[str, list[dict[str, Any]]] = {}
    with path.open("rb") as file:
        for line in file:
            begins = line[: len(_BEGINNING)] == _BEGINNING[: len(line)]
            if begins and not line.endswith(b"\n"):
                break  # left half written by a crash
            try:
                record = json.loads(line)
                found.setdefault(record["key"], []).append(record)
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(f"{path} is no file of kept samples ({error}).") from error
    return found
