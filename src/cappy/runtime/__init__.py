"""Token arrays to scores: the encoder in ONNX (default) and in torch, one protocol.

Imports `checkpoint`, `encoders`, `layout`. Start reading in `onnx_session`.
"""
