"""The scorer: instructions and candidates in, scores and rankings out. Most users start here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import partial
from itertools import islice
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from cappy.calibration.combined import Selection
from cappy.checkpoint.checkpoint import Checkpoint, read_checkpoint
from cappy.checkpoint.find import find_checkpoint
from cappy.errors import InputError
from cappy.group import Group, GroupScores, Ranking
from cappy.layout.batches import Size, token_batches
from cappy.layout.encode import Conventions, EncodedGroup, encode_alone, encode_group, split_group
from cappy.layout.limits import Limits
from cappy.layout.pack import Batch, pack
from cappy.runtime.choose import BATCH_TOKENS, Remembering, Runtime, choose, make_runtime
from cappy.runtime.prefix_cache import PrefixCache

CACHE_MIB = 128
"""Memory for encoded instructions: some 7 of 250 tokens by cappy-base, 28 by cappy-mini."""
WINDOW_GROUPS = 2048
"""Groups read ahead and sorted by length: what a stream holds in memory."""
WINDOW_TEXTS = 16384
"""A window ends early at this many candidates."""

GroupLike = Group | tuple[str, Sequence[str]]


class Scorer:
    """Scores how correct responses to an instruction are. Make one with `cappy.load`.

    Threads may share a scorer: scoring changes nothing in it but a cache that is locked.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        runtime: Runtime,
        conventions: Conventions,
        limits: Limits,
        options: Mapping[str, Any] | None = None,
        cache: PrefixCache | None = None,
    ) -> None:
        """Put the parts together; `cappy.load` chooses them. `options`: the keyword arguments passed to it."""
        self.checkpoint = checkpoint
        self._options = dict(options or {})
        self.limits = limits
        self._runtime = runtime
        self._conventions = conventions
        self.cache = cache

    @property
    def layout(self) -> str:
        """The layout in use, `shared` or `joint`."""
        return self._conventions.layout

    @property
    def conventions(self) -> Conventions:
        """How groups become tokens: layout, special tokens and position ids."""
        return self._conventions

    @property
    def temperature(self) -> float:
        """The temperature of probabilities, above 0: softmax(score / temperature) over choices."""
        return self.checkpoint.temperature

    @property
    def selection(self) -> Selection | None:
        """Weights of the `combined` selector; None if the checkpoint has none."""
        return self.checkpoint.selection

    def settings(self) -> dict[str, Any]:
        """Return all that scores depend on besides the checkpoint's files."""
        scoring = {name: value for name, value in self._options.items() if name != "cache_mib"}
        return {**scoring, "layout": self.layout, "limits": asdict(self.limits)}

    def __repr__(self) -> str:
        """Name the checkpoint and the layout."""
        return f"Scorer({self.checkpoint.folder.name!r}, layout={self.layout!r})"

    def __deepcopy__(self, memo: Any) -> Scorer:
        """Return the scorer itself: it is immutable, and scikit-learn copies the parameters of estimators."""
        return self

    def __reduce__(self) -> Any:
        """Pickle as a `load` call: each process loads its own copy."""
        return partial(load, self.checkpoint.folder, **self._options), ()

    def like(self, name: str | os.PathLike[str]) -> Scorer:
        """Load another checkpoint with the options of this one."""
        return load(name, **self._options)

    def loading(self, name: str, threads: int) -> Callable[[], Scorer]:
        """Return the call that loads this scorer, called `name` there, in another process with `threads` threads."""
        return partial(load, name, **{**self._options, "threads": threads})

    @overload
    def score(self, instruction: str, response: str) -> float: ...  # type: ignore[overload-overlap]  # a str is matched first
    @overload
    def score(self, instruction: str, response: Sequence[str]) -> NDArray[np.float32]: ...

    def score(self, instruction: str, response: str | Sequence[str]) -> float | NDArray[np.float32]:
        """Score one response (returns a float) or several (returns an array [responses]).

        About 0 is wrong, about 1 is right. Scores are raw regression outputs, so values slightly outside [0, 1] occur.

        Raises:
            InputError: a text is not a string, or there is no response.

        """
        scored = self._score_group(*_as_pair((instruction, [response] if isinstance(response, str) else response)))
        if isinstance(response, str):
            return scored.scores[0]
        return np.array(scored.scores, dtype=np.float32)

    def rank(self, instruction: str, candidates: Sequence[str], top_k: int | None = None) -> Ranking:
        """Rank candidates from best to worst and keep the first `top_k`. Ties keep input order.

        Raises:
            InputError: a text is not a string, there is no candidate, or `top_k` is below 1.

        """
        if top_k is not None and top_k < 1:
            raise InputError(f"top_k is {top_k}, but must be at least 1.")
        if isinstance(candidates, str):
            raise InputError("candidates must be a list of texts, not one text.")
        texts = list(candidates)
        return Ranking.of(instruction, texts, self._score_group(instruction, texts), top_k)

    def for_choices(self, choices: Iterable[str]) -> Scorer:
        """Return this scorer with limits for a closed set of choices, which leave more room for instructions.

        In the shared layout an instruction gets what the response budget leaves. If all choices are known, the budget
        need not exceed the longest one. Scores change only for instructions that would have been cut.
        """
        longest = max(map(len, self.checkpoint.tokenizer.encode(list(choices), self.limits.max_tokens)), default=0)
        limits = replace(self.limits, response_tokens=min(self.limits.response_tokens, max(1, longest)))
        options = {**self._options, "response_tokens": limits.response_tokens}
        return Scorer(self.checkpoint, self._runtime, self._conventions, limits, options, self.cache)

    def score_groups(self, groups: Iterable[GroupLike], progress: bool = False) -> Iterator[GroupScores]:
        """Score a stream of groups and yield results in input order. A group is a `Group` or (instruction, responses).

        Up to `WINDOW_GROUPS` groups are read ahead, sorted by length and scored in batches under a token budget.
        `progress` shows a bar on standard error.

        Raises:
            InputError: a group cannot be scored; the message gives its number.

        """
        from cappy.files.progress import progress_bar

        stream = iter(groups)
        total = len(groups) if isinstance(groups, Sequence) else None
        number = 0
        with progress_bar("scoring", total) if progress else nullcontext(lambda _: None) as advance:
            while window := _window(stream):
                for scored in self._score_window(window, number):
                    yield scored
                    advance(1)
                number += len(window)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts as sentence encoders do: [texts, width], of length 1, to be compared by cosine.

        A text's embedding is the mean of its hidden states, mapped by the checkpoint's projection if it has one. Long
        texts are cut to `max_tokens`.

        Raises:
            InputError: a text is not a string.

        """
        return self.checkpoint.embedded(self.states(texts))

    def features(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the features of a classification head: [texts, features], of length 1.

        They are the embedding and the rest of the hidden states, or the embedding alone if the checkpoint has no
        projection.

        Raises:
            InputError: a text is not a string.

        """
        return self.checkpoint.features(self.states(texts))

    def states(self, texts: Sequence[str], layers: Sequence[int] = ()) -> NDArray[np.float32]:
        """Return the mean hidden states of each text: [texts, layers * hidden]; see `embed`.

        `layers` count from 1, ascending. The default is the layers that the checkpoint's projection reads, or the last
        layer.

        Raises:
            InputError: a text is not a string.

        """
        if isinstance(texts, str):
            raise InputError("texts must be a list, not one text.")
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise InputError(f"text {number} must be text, not {type(text).__name__}.")
        spec = self.checkpoint.spec
        alone = replace(self._conventions, layout="joint")
        tokenised = self.checkpoint.tokenizer.encode(list(texts), self.limits.max_tokens)
        encoded = [encode_alone(ids, alone, self.limits) for ids in tokenised]
        read = tuple(layers) or self.checkpoint.state_layers
        states = np.empty((len(encoded), len(read) * spec.hidden), dtype=np.float32)
        for batch in token_batches([Size.of(one) for one in encoded], BATCH_TOKENS):
            states[batch] = self._runtime.means(pack([encoded[place] for place in batch], alone), read)
        return states

    def encode(self, groups: Sequence[tuple[str, Sequence[str]]]) -> list[EncodedGroup]:
        """Tokenise (instruction, responses) pairs and fit them to the limits, for `score_encoded`.

        Raises:
            InputError: a group cannot be scored; the message gives its number.

        """
        for number, (instruction, responses) in enumerate(groups):
            _check(instruction, responses, f"group {number}: " if len(groups) > 1 else "")
        return self._encode(groups)

    def score_encoded(self, groups: Sequence[EncodedGroup]) -> list[NDArray[np.float32]]:
        """Score groups made by `encode` in batches under a token budget; returns one array [candidates] per group.

        Values that are not finite are returned too; the caller must refuse them.
        """
        parts = [(i, start, part) for i, group in enumerate(groups) for start, part in split_group(group, BATCH_TOKENS)]
        scores = [np.empty(len(group.segments), dtype=np.float32) for group in groups]
        for batch in token_batches([Size.of(part) for _, _, part in parts], self._runtime.batch_tokens):
            taken = [parts[k][2] for k in batch]
            packed = pack(taken, self._conventions)
            flat = self._score_batch(packed, [part.prefix for part in taken])
            for k, piece in zip(batch, np.split(flat, np.cumsum(packed.per_prefix)[:-1]), strict=True):
                index, start, _ = parts[k]
                scores[index][start : start + len(piece)] = piece
        return scores

    def _score_batch(self, batch: Batch, prefixes: Sequence[tuple[int, ...]]) -> NDArray[np.float32]:
        """Score a batch; instructions that were seen before are not encoded again."""
        if self.cache is None or batch.prefixes is None or not isinstance(self._runtime, Remembering):
            return self._runtime.score(batch)
        known, wanted = self.cache.look_up(prefixes)
        if not any(wanted) and all(one is None for one in known):
            return self._runtime.score(batch)
        scores, fresh = self._runtime.score_remembering(batch, known)
        unknown = (number for number, one in enumerate(known) if one is None)
        for number, encoded in zip(unknown, fresh, strict=True):
            if wanted[number]:
                self.cache.keep(prefixes[number], encoded)
        return scores

    def _score_group(self, instruction: str, responses: Sequence[str]) -> GroupScores:
        _check(instruction, responses, "")
        return self._score_window([(instruction, responses)], None)[0]

    def _score_window(self, window: Sequence[tuple[str, Sequence[str]]], first: int | None) -> list[GroupScores]:
        """Score a window of groups; `first` is the number of its first group, for errors."""
        for offset, (instruction, responses) in enumerate(window):
            _check(instruction, responses, "" if first is None else f"group {first + offset}: ")
        encoded = self._encode(window)
        scores = self.score_encoded(encoded)
        for offset, values in enumerate(scores):
            if not np.isfinite(values).all():
                place = "the group" if first is None else f"group {first + offset}"
                candidate = int(np.flatnonzero(~np.isfinite(values))[0])
                raise InputError(f"{place}, candidate {candidate}: the checkpoint gives no finite score for it.")
        return [GroupScores(tuple(map(float, s)), g.cuts) for s, g in zip(scores, encoded, strict=True)]

    def _encode(self, window: Sequence[tuple[str, Sequence[str]]]) -> list[EncodedGroup]:
        """Tokenise a window, each distinct text once: choices are often the same for all texts."""
        texts = list(dict.fromkeys(text for instruction, responses in window for text in (instruction, *responses)))
        read = self.checkpoint.tokenizer.encode(texts, self.limits.max_tokens)
        ids = dict(zip(texts, read, strict=True))
        return [
            encode_group(ids[instruction], [ids[text] for text in responses], self._conventions, self.limits)
            for instruction, responses in window
        ]


def _window(stream: Iterator[GroupLike]) -> list[tuple[str, Sequence[str]]]:
    """Take the next groups from a stream as plain texts."""
    window: list[tuple[str, Sequence[str]]] = []
    texts = 0
    for item in islice(stream, WINDOW_GROUPS):
        pair = _as_pair(item)
        window.append(pair)
        texts += len(pair[1])
        if texts >= WINDOW_TEXTS:
            break
    return window


def _as_pair(item: GroupLike) -> tuple[str, Sequence[str]]:
    """Return a group as plain texts, or refuse it."""
    if isinstance(item, Group):
        return item.instruction, [candidate.text for candidate in item.candidates]
    try:
        instruction, responses = item
        return instruction, responses if isinstance(responses, str) else list(responses)
    except (TypeError, ValueError) as error:
        raise InputError("a group must be a Group or a pair of an instruction and a list of responses.") from error


def _check(instruction: Any, responses: Any, place: str) -> None:
    """Refuse what cannot be scored; `place` says where it is."""
    if not isinstance(instruction, str):
        raise InputError(f"{place}the instruction must be text, not {type(instruction).__name__}.")
    if isinstance(responses, str):
        raise InputError(f"{place}the responses must be a list of texts, not one text.")
    if not len(responses):
        raise InputError(f"{place}there are no candidates to score.")
    for number, text in enumerate(responses):
        if not isinstance(text, str):
            raise InputError(f"{place}candidate {number} must be text, not {type(text).__name__}.")


def load(
    name: str | os.PathLike[str] | None = None,
    *,
    runtime: str | None = None,
    layout: str | None = None,
    precision: str | None = None,
    max_tokens: int | None = None,
    response_tokens: int | None = None,
    truncation_side: str | None = None,
    threads: int = 0,
    device: str | None = None,
    cache_mib: int = CACHE_MIB,
    revision: str | None = None,
) -> Scorer:
    """Load a scorer: a bundled one, a folder, or a hub repository such as "btan2/cappy-large".

    Args:
        name: None or "base" for the bundled cappy-base, "mini" for the smaller, faster cappy-mini, a folder, or
            "owner/name" on the Hugging Face hub.
        runtime: "onnx" (the base install), "openvino" or "torch". By default torch for a GPU; OpenVINO if it is
            installed, the processor has matrix units (AMX) and the checkpoint ships int8; otherwise onnx.
        layout: "shared" or "joint"; the one the checkpoint was trained in unless given.
        precision: "fp32", "int8" (onnx) or "bf16" (openvino, torch: matrix products in bfloat16); unless given, what
            the checkpoint ships in onnx, bf16 in openvino where the processor has it, in torch bf16 on the GPU that
            `device` names, else fp32.
        max_tokens: most tokens of a pair, special tokens included; the checkpoint's own limit unless given.
        response_tokens: how many of them are kept free for a response; a short instruction leaves it more.
        truncation_side: where a long instruction is cut: "left", "right" or "middle".
        threads: CPU threads; 0 uses all cores.
        device: a torch device such as "cuda" (torch runtime only).
        cache_mib: memory in MiB for encoded instructions that are seen again (shared layout; 0 keeps none).
        revision: branch, tag or commit on the hub.

    Raises:
        CheckpointError: the checkpoint cannot be found, read or run.
        InputError: an option is unknown or out of range.
        MissingExtraError: the runtime's packages are not installed.

    """
    checkpoint = read_checkpoint(find_checkpoint(name, revision))
    changes = {"max_tokens": max_tokens, "response_tokens": response_tokens, "side": truncation_side}
    limits = replace(checkpoint.limits, **{key: value for key, value in changes.items() if value is not None})  # type: ignore[arg-type]
    if limits.max_tokens > checkpoint.spec.max_tokens:
        raise InputError(f"max_tokens {limits.max_tokens} is over the checkpoint's {checkpoint.spec.max_tokens}.")
    if cache_mib < 0:
        raise InputError(f"cache_mib is {cache_mib}, but must be at least 0 (0 keeps nothing).")
    used_layout = layout or checkpoint.layout
    tokenizer = checkpoint.tokenizer
    conventions = Conventions.of(checkpoint.spec, used_layout, tokenizer.cls_id, tokenizer.sep_id)
    choice = choose(runtime, precision, str(checkpoint.settings.get("precision", "fp32")), device)
    computing = make_runtime(choice, checkpoint, used_layout, threads, device)
    options: dict[str, Any] = {"runtime": choice.runtime, "layout": layout, "precision": choice.precision}
    options |= {"threads": threads, "device": device, "cache_mib": cache_mib}
    options |= {"max_tokens": max_tokens, "response_tokens": response_tokens, "truncation_side": truncation_side}
    cache = PrefixCache(cache_mib * 2**20) if cache_mib else None
    return Scorer(checkpoint, computing, conventions, limits, options, cache)
