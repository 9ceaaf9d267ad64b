"""Runtimes turn packed token arrays into scores: `onnx` (default, light) and `torch` (training, GPUs)."""
