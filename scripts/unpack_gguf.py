"""Convert the quantised weights of a GGUF file to bfloat16: the same model, but faster for many samples per prompt.

    pip install gguf
    python scripts/unpack_gguf.py MODEL.gguf MODEL-bf16.gguf

On processors with AVX-512, llama.cpp multiplies many rows at once in bfloat16, but row by row in formats such as Q4_1;
the server must be built for the processor (cmake -DGGML_NATIVE=ON). The conversion rounds once more and prints the
error: at most 0.0014 of a tensor's norm for SmolLM2-135M.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter
from gguf.quants import dequantize, quantize

TARGET = GGMLQuantizationType.BF16


def unpack(source: Path, target: Path) -> float:
    """Write `target`; return the largest relative rounding error of a tensor, in the Frobenius norm."""
    reader = GGUFReader(source)
    writer = GGUFWriter(target, reader.get_field("general.architecture").contents())
    for field in reader.fields.values():
        if field.name == "general.architecture" or field.name.startswith("GGUF."):
            continue  # written by the writer itself
        kind = field.types[0]
        inner = field.types[-1] if kind == GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=inner)
    worst = 0.0
    for tensor in reader.tensors:
        if tensor.tensor_type == GGMLQuantizationType.F32:  # norms and the like, which stay unchanged
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
            continue
        exact = dequantize(tensor.data, tensor.tensor_type)
        rounded = quantize(exact, TARGET)
        difference = np.linalg.norm(dequantize(rounded, TARGET) - exact)
        worst = max(worst, float(difference / np.linalg.norm(exact)))
        writer.add_tensor(tensor.name, rounded, raw_dtype=TARGET)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    print(f"{options.target}: rounded by at most {unpack(options.source, options.target):.1e}")


if __name__ == "__main__":
    main()
