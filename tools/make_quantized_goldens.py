# Makes tests/fixtures/quantized.safetensors: weights in each of libmlx's quantised formats and what they stand for.
"""Run with the Python of .venv (it has mlx), from anywhere:

    .venv/bin/python tools/make_quantized_goldens.py

Each case has X.weight, X.scales, X.biases (affine only) and X.expected: the elements as float32, by mx.dequantize() of
scales widened to float32. That is also, checked here bit by bit, what quantized_matmul() multiplies float32 activations
with. Running it twice gives the same bytes.
"""

import json
import pathlib

import mlx.core as mx
import numpy

PATH = pathlib.Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "quantized.safetensors"
DTYPES = {"float32": mx.float32, "float16": mx.float16, "bfloat16": mx.bfloat16}
WORDS = {mx.float32: "F32", mx.float16: "F16", mx.bfloat16: "BF16", mx.uint32: "U32", mx.uint8: "U8"}


def bytes_of(array):
    wide = array.dtype == mx.float32 or array.dtype == mx.uint32
    view = array if array.dtype == mx.uint8 else array.view(mx.uint32 if wide else mx.uint16)
    return numpy.array(view).tobytes()


def save(tensors, path):
    header, data = {}, b""
    for name in sorted(tensors):
        content = bytes_of(tensors[name])
        header[name] = {"dtype": WORDS[tensors[name].dtype], "shape": list(tensors[name].shape),
                        "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def add(tensors, name, weight, scales, biases, bits, group_size, mode):
    wide = (scales, None) if biases is None else (scales.astype(mx.float32), biases.astype(mx.float32))
    expected = mx.dequantize(weight, *wide, group_size=group_size, bits=bits, mode=mode, dtype=mx.float32)
    products = mx.quantized_matmul(mx.eye(expected.shape[1]), weight, scales, biases, transpose=True,
                                   group_size=group_size, bits=bits, mode=mode).T
    finite = mx.all(mx.isfinite(expected), axis=1, keepdims=True)  # 0 * inf would spoil the products
    assert mx.array_equal(mx.where(finite, products, 0), mx.where(finite, expected, 0)), name
    key = f"{mode}-{bits}-{group_size}-{name}"
    tensors |= {f"{key}.weight": weight, f"{key}.scales": scales, f"{key}.expected": expected}
    if biases is not None:
        tensors[f"{key}.biases"] = biases


def main():
    mx.set_default_device(mx.cpu)
    random = numpy.random.default_rng(1)
    tensors = {}
    for bits in (1, 2, 3, 4, 5, 6, 8):
        for group_size in (32, 64, 128):
            for name, dtype in DTYPES.items():
                dense = mx.array(random.standard_normal((3, 128)).astype(numpy.float32)).astype(dtype)
                weight, scales, biases = mx.quantize(dense, group_size=group_size, bits=bits)
                add(tensors, name, weight, scales, biases, bits, group_size, "affine")
    # Every code under every scale, NaN and infinity among them; for mxfp8 every code under some scales.
    codes = numpy.arange(256, dtype=numpy.uint8)
    fours = numpy.array([0x76543210, 0xFEDCBA98], dtype=numpy.uint32)
    for mode, group_size in (("mxfp4", 32), ("nvfp4", 16)):
        words = numpy.tile(fours, (256, group_size // 16))
        add(tensors, "all", mx.array(words), mx.array(codes[:, None]), None, 4, group_size, mode)
    some = numpy.repeat(numpy.array([0, 1, 100, 127, 254, 255], dtype=numpy.uint8)[:, None], 8, axis=1)
    words = numpy.tile(codes.view(numpy.uint32), (len(some), 1))
    add(tensors, "all", mx.array(words), mx.array(some), None, 8, 32, "mxfp8")
    save(tensors, PATH)
    print(f"{PATH.name}: {len(tensors)} tensors, {PATH.stat().st_size // 1000} KB")


if __name__ == "__main__":
    main()
