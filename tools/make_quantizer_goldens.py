# Makes tests/fixtures/quantizer.safetensors: what libmlx's quantize() makes of ordinary and of awkward weights.
"""Run with the Python of .venv (it has mlx), from anywhere:

    .venv/bin/python tools/make_quantizer_goldens.py

"source.DTYPE" are the weights, "MODE-BITS-GROUP-DTYPE.weight", ".scales" and ".biases" what becomes of them, and for some
formats ".dequantized" what dequantize() makes of that again, in the weights' type. Twice the same bytes.
"""

import pathlib

import mlx.core as mx
import numpy

from make_quantized_goldens import DTYPES, save

PATH = pathlib.Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "quantizer.safetensors"
FORMATS = [("affine", bits, group) for bits in (2, 3, 4, 5, 6, 8) for group in (32, 64, 128)]
FORMATS += [("mxfp4", 4, 32), ("mxfp8", 8, 32), ("nvfp4", 4, 16)]


def weights(dtype):
    """Rows of 128: each is something that a quantiser may get wrong."""
    random = numpy.random.default_rng(7)
    normal = random.standard_normal((4, 128)).astype(numpy.float32)
    top = {mx.float32: 1e30, mx.float16: 60000.0, mx.bfloat16: 1e30}[dtype]
    ramp = numpy.arange(128, dtype=numpy.float32)
    rows = [
        normal[0], normal[1] * 0.02, normal[2] * 1e-4, numpy.abs(normal[3]) + 3,
        numpy.zeros(128), -numpy.zeros(128), numpy.full(128, 0.37), numpy.full(128, -5.0),
        numpy.where(ramp == 17, 4.0, 0.0), numpy.where(ramp % 32 == 3, -1e-6, 1e-9), normal[0] * 1e-7,
        numpy.clip(normal[1] * top / 4, -top, top), normal[2] * 3000,
        (ramp - 64) / 16, numpy.tile([0.25, -0.25, 0.75, -0.75, 1.25, 2.5, -3.5, 6.0], 16), ramp * 2.0**-24,
        normal[3] * 2.0 ** -(ramp // 8), normal[0] * (0.7 + ramp // 32 * 0.05),
    ]
    return mx.array(numpy.stack(rows).astype(numpy.float32)).astype(dtype)


def main():
    mx.set_default_device(mx.cpu)
    tensors = {}
    for word, dtype in DTYPES.items():
        source = weights(dtype)
        tensors[f"source.{word}"] = source
        for mode, bits, group in FORMATS:
            key = f"{mode}-{bits}-{group}-{word}"
            parts = mx.quantize(source, group_size=group, bits=bits, mode=mode)
            tensors |= {f"{key}.{name}": part for name, part in zip(("weight", "scales", "biases"), parts)}
            if mode != "affine" or group == 32 and bits in (3, 8):
                tensors[f"{key}.dequantized"] = mx.dequantize(*parts, group_size=group, bits=bits, mode=mode, dtype=dtype)
    save(tensors, PATH)
    print(f"{PATH.name}: {len(tensors)} tensors, {PATH.stat().st_size // 1000} KB")


if __name__ == "__main__":
    main()
