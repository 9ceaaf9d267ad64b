"""Scoring token arrays: one protocol, with the encoder as a graph (onnxruntime, OpenVINO) or in torch.

Imports `checkpoint`, `encoders`, `layout`. Start reading in `choose`; `onnx_graph` builds what onnx and openvino run.
"""
