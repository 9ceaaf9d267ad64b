"""Training a scorer further: on a task's examples with a language model, or on labelled texts.

Imports `training`, `classifier`, `data`, `llm` and below. Start reading in `examples`, which is `cappy.adapt`.
"""
