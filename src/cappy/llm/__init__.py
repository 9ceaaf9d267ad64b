"""Language models whose samples the scorer judges: servers, GGUF files, transformers.

Imports `files`, `group` and `errors`. Start reading in `model`, the protocol; `find` turns a name into a model.
"""
