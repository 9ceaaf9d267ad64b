"""Token arrays to scores, one protocol: the encoder as a graph (onnxruntime, OpenVINO) and in torch.

Imports `checkpoint`, `encoders`, `layout`. Start reading in `choose`; `onnx_graph` builds what onnx and openvino run.
"""
