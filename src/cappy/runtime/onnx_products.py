"""Products with weights in an encoder's ONNX graph: affine maps in fp32 or int8, and normalisation."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, numpy_helper

from cappy.encoders.spec import EncoderSpec
from cappy.runtime.onnx_builder import MICROSOFT, Graph
from cappy.runtime.onnx_names import Operand

MIDDLE = 128
"""The unsigned byte that stands for zero."""


class Products:
    """Adds products of packed tokens [tokens, width] with an encoder's weights to a graph."""

    def __init__(self, graph: Graph, spec: EncoderSpec, precision: str, kind: int) -> None:
        """`precision` is `fp32` or `int8`; `kind` is the ONNX type of the layers' matrices in fp32."""
        self.graph, self.spec, self.precision, self.kind = graph, spec, precision, kind

    def norm(self, x: str, name: str, width: int) -> str:
        """Normalise each token [tokens, width] and apply the layer's weight and bias."""
        inputs = [x, self.graph.weight(f"{name}.weight", (width,))]
        if self.spec.biases:
            inputs.append(self.graph.weight(f"{name}.bias", (width,)))
        return str(self.graph.add("LayerNormalization", inputs, axis=-1, epsilon=self.spec.norm_eps))

    def operand(self, x: str) -> Operand:
        """Prepare tokens [tokens, width] for products.

        In int8 each token is scaled by its own largest value, so that its rounding does not depend on the batch.
        """
        graph = self.graph
        if self.precision == "fp32":
            return Operand(x)
        largest = graph.add("ReduceMax", [graph.add("Abs", [x]), graph.ints(-1)], keepdims=0)
        steps = graph.add("Mul", [largest, graph.constant(np.array(1 / 127, dtype=np.float32))])
        scale = graph.add("Max", [steps, graph.constant(np.array(1e-14, dtype=np.float32))])
        middle = numpy_helper.from_array(np.array([MIDDLE], dtype=np.uint8))
        middles = graph.add("ConstantOfShape", [graph.add("Shape", [scale])], value=middle)
        rounded = graph.add("QuantizeLinear", [x, scale, middles], axis=0)
        return Operand(x, rounded, graph.add("Unsqueeze", [scale, graph.ints(1)]))

    def dense(self, x: Operand, name: str, width: int, out: int) -> str:
        """Apply an affine map from [tokens, width] to [tokens, out], including the bias."""
        product = self._product(x, name, width, out)
        if self.precision == "fp32" or not self.spec.biases:
            return product
        return str(self.graph.add("Add", [product, self.graph.weight(f"{name}.bias", (out,))]))

    def plain_dense(self, x: str, name: str, width: int, out: int) -> str:
        """Apply an affine map in float32 at any precision; the head is small and decides the score."""
        weight = self.graph.weight(f"{name}.weight", (out, width))
        return self._gemm(x, weight, name, out)

    def _gemm(self, x: str, weight: str, name: str, out: int) -> str:
        inputs = [x, weight]
        if self.spec.biases or name == self.spec.head[1]:
            inputs.append(self.graph.weight(f"{name}.bias", (out,)))
        return str(self.graph.add("Gemm", inputs, transB=1))

    def _product(self, x: Operand, name: str, width: int, out: int) -> str:
        """Multiply by a weight: with its bias in fp32, without it in int8. Weights are scaled by output channel."""
        graph = self.graph
        if self.precision == "fp32":
            weight = graph.weight(f"{name}.weight", (out, width), self.kind)
            if self.kind != TensorProto.FLOAT:
                weight = graph.add("Cast", [weight], to=TensorProto.FLOAT)
            return self._gemm(x.tokens, weight, name, out)
        middle = graph.constant(np.array(MIDDLE, dtype=np.uint8))
        weight = graph.weight(f"{name}.int8", (width, out), TensorProto.INT8)
        channel = graph.weight(f"{name}.scale", (out,))
        product = graph.add(
            "MatMulIntegerToFloat",
            [x.rounded, weight, graph.constant(np.array(1, dtype=np.float32)), channel, middle],
            MICROSOFT,
        )
        return str(graph.add("Mul", [product, x.scale]))


def byte_product_graph() -> bytes:
    """Return a graph that multiplies unsigned by signed bytes, as int8 scorers do."""
    graph = Graph()
    left, right = graph.input("left", 2, TensorProto.UINT8), graph.input("right", 2, TensorProto.INT8)
    one = graph.constant(np.array(1, dtype=np.float32))
    product = graph.add("MatMulIntegerToFloat", [left, right, one, one], MICROSOFT)
    data: bytes = graph.model(graph.reshape(product, -1)).SerializeToString()
    return data
