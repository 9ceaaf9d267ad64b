"""Split a batch among processes, and into parts that fit memory, with balanced token counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

from cappy.layout.batches import Size, by_likeness


def split_batch(sizes: Sequence[Size], ranks: int, most: int | None = None) -> list[list[list[int]]]:
    """Split groups of these sizes: for each rank, its parts of about `most` tokens as lists of group numbers.

    All ranks have the same number of parts, because they gather sharded weights together; with few groups some parts
    are empty. Groups are sorted by length first, so that a part, and the parts computed at the same time, hold groups
    of similar length.
    """
    total = sum(size.tokens for size in sizes)
    steps = max(1, math.ceil(total / (most * ranks))) if most else 1
    if ranks * steps == 1:
        return [[list(range(len(sizes)))]]
    pieces: list[list[int]] = [[] for _ in range(ranks * steps)]
    alike = by_likeness(sizes)
    for index, end in zip(alike, accumulate(sizes[index].tokens for index in alike), strict=True):
        middle = end - sizes[index].tokens / 2
        pieces[min(len(pieces) - 1, int(middle * len(pieces) / total))].append(index)
    shares: list[list[list[int]]] = [[] for _ in range(ranks)]
    loads = [0] * ranks
    for step in range(steps):
        weights = [(sum(sizes[i].tokens for i in piece), piece) for piece in pieces[step * ranks : (step + 1) * ranks]]
        # The rank with the fewest tokens so far gets the largest piece.
        order = sorted(range(ranks), key=loads.__getitem__)
        for rank, (tokens, piece) in zip(order, sorted(weights, reverse=True), strict=True):
            shares[rank].append(piece)
            loads[rank] += tokens
    return shares
