"""Tokenising texts with a checkpoint's own tokenizer, without special tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from cappy.encoders.spec import EncoderSpec
from cappy.errors import CheckpointError
from cappy.text.normalization import repair

CHARACTERS = 64
"""Characters of a long text read at its start and at its end, per token of room.

The longest tokens of common vocabularies are shorter (18 characters in BERT, slightly more for RoBERTa's runs of
dashes), so the text in between could not be kept anyway. Exceptions are long white space and words of hundreds of
characters, which are one token or none."""


class PartlyRead(list[int]):
    """The ids of a long text's start and end, with about `unread` tokens in between."""

    unread = 0


class TextTokenizer:
    """A thread-safe wrapper of a `tokenizers` tokenizer.

    Special tokens spelled out in a text ("[SEP]", "</s>") are read as ordinary text: no response can forge a boundary.
    """

    def __init__(self, tokenizer: Tokenizer, cls_token: str, sep_token: str, where: str) -> None:
        """Wrap `tokenizer`; `where` names the checkpoint in errors."""
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True
        self._tokenizer = tokenizer
        cls_id, sep_id = tokenizer.token_to_id(cls_token), tokenizer.token_to_id(sep_token)
        if cls_id is None or sep_id is None:
            raise CheckpointError(f"{where}: the tokenizer lacks {cls_token!r} or {sep_token!r}.")
        self.cls_id: int = cls_id
        self.sep_id: int = sep_id

    @property
    def vocabulary(self) -> int:
        """Number of ids, including added tokens."""
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    @property
    def largest_id(self) -> int:
        """The largest id; above `vocabulary` if some are unused."""
        return max(self._tokenizer.get_vocab(with_added_tokens=True).values())

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides which ids a text gets."""
        return hashlib.sha256(self._tokenizer.to_str().encode()).hexdigest()

    def encode(self, texts: Sequence[str], most: int | None = None) -> list[list[int]]:
        """Return the ids of each text.

        If at most `most` tokens of a text will be kept, only the two ends of a much longer text are read
        (`PartlyRead`), so the cost of a text is bounded.
        """
        if not texts:
            return []
        reach = None if most is None else CHARACTERS * most
        parts = [_ends(text, reach) for text in texts]
        clean = [repair(part) for ends in parts for part in ends]
        found = iter(self._tokenizer.encode_batch_fast(clean, add_special_tokens=False))
        ids: list[list[int]] = []
        for text, ends in zip(texts, parts, strict=True):
            if len(ends) == 1:
                ids.append(next(found).ids)
            else:
                ids.append(partly := PartlyRead([*next(found).ids, *next(found).ids]))
                partly.unread = -(-(len(text) - sum(map(len, ends))) // CHARACTERS)
        return ids


def _ends(text: str, reach: int | None) -> tuple[str, ...]:
    return (text,) if reach is None or len(text) <= 2 * reach else (text[:reach], text[-reach:])


def load_tokenizer(folder: Path, spec: EncoderSpec) -> TextTokenizer:
    """Load the tokenizer of a checkpoint folder: `tokenizer.json`, or the older vocabulary files.

    Raises:
        CheckpointError: it is missing or cannot be read.

    """
    try:
        tokenizer = _read(folder)
    except Exception as error:  # tokenizers raises a bare Exception for a broken file
        raise CheckpointError(f"{folder}: the tokenizer cannot be read ({error}).") from error
    return TextTokenizer(tokenizer, spec.cls_token, spec.sep_token, str(folder))


def _read(folder: Path) -> Tokenizer:
    if (folder / "tokenizer.json").exists():
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    from tokenizers.implementations import bert_wordpiece, byte_level_bpe

    wrapped: Any
    if (folder / "merges.txt").exists():
        wrapped = byte_level_bpe.ByteLevelBPETokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    else:
        wrapped = bert_wordpiece.BertWordPieceTokenizer(str(folder / "vocab.txt"))
    tokenizer: Tokenizer = wrapped._tokenizer
    return tokenizer
