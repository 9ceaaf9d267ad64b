"""Choosing among a language model's samples: selectors, stopping rules, and learning from a task's examples.

Imports `scorer`, `llm`, `metrics`, `text` and below. Start reading in `selectors`; `task` learns from examples.
"""
