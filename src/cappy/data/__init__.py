"""From rows of real data sets to labelled groups: sources, templates, negatives, labels, the store.

Imports `checkpoint` and `runtime` (embeddings for hard negatives), `llm`, `files`, `metrics`. Start reading in `build`.
"""
