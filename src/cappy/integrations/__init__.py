"""Cappy inside other projects, a module each: TRL, DSPy, LangChain, LlamaIndex, Haystack, lm-evaluation-harness, MCP.

Imports `scorer`, `boost`, `classifier` and below; each module needs the extra of its name. Start reading in any of
them, or in docs/how-to/integrations.md; `given` chooses among samples drawn elsewhere.
"""
