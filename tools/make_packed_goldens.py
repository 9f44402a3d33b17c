# Makes tests/fixtures/packed.safetensors and packed.json: layers as other libraries pack them, and what they stand for.
"""Run with a Python that has tools/requirements-oracle.txt, from anywhere:

    .venvs/oracle/bin/python tools/make_packed_goldens.py

Each case has CASE/x.PART as the library writes it and CASE/x.expected, the elements as float32; packed.json holds the
case's `quantization_config` and whether the codes stay packed. Running it twice gives the same bytes.
"""

import json
import pathlib
import random

import torch
from fixtures import packers
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests" / "fixtures"
tensors, cases = {}, []


def add(name, config, layer, packed):
    parts, values = layer
    cases.append({"name": name, "quantization_config": config, "packed": packed})
    for part, tensor in (parts | {"expected": values.float()}).items():
        tensors[f"{name}/x.{part}"] = tensor.contiguous()


def weight(rows, columns, seed):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def add_gptq():
    for bits in (2, 3, 4, 8):
        config = {"quant_method": "gptq", "bits": bits, "group_size": 32}
        add(f"gptq-{bits}", config, packers.gptq(weight(32 if bits == 3 else 16, 64, bits), bits, 32), True)
    config = {"quant_method": "gptq", "bits": 4, "group_size": 64, "desc_act": False}
    add("gptq-sym-no-order", config, packers.gptq(weight(8, 128, 5), 4, 64, symmetric=True, g_idx=False), True)
    add("gptq-one-group", config | {"group_size": -1}, packers.gptq(weight(8, 64, 6), 4, -1), True)
    add("gptq-v2", config | {"checkpoint_format": "gptq_v2"}, packers.gptq(weight(8, 64, 7), version=2), True)
    add("gptq-group-of-16", config | {"group_size": 16}, packers.gptq(weight(8, 64, 8), 4, 16), False)
    add("gptq-own-bits", config, packers.gptq(weight(8, 64, 9), 8, 32), True)
    order = list(range(64))
    random.Random(10).shuffle(order)
    add("gptq-act-order", config | {"desc_act": True}, packers.gptq(weight(8, 64, 10), 4, 32, order=order), False)


def add_awq():
    for group_size in (32, 64, 128):
        config = {"quant_method": "awq", "bits": 4, "group_size": group_size, "version": "gemm", "zero_point": True}
        add(f"awq-{group_size}", config, packers.awq(weight(8, 128, group_size), group_size), True)


def add_compressed():
    def config(**args):
        return {"quant_method": "compressed-tensors", "ignore": ["lm_head"],
                "config_groups": {"group_0": {"targets": ["Linear"], "weights": args}}}

    def add_one(name, format, packed, dtype=torch.bfloat16, shape=(8, 64), global_scale=None, **args):
        add(f"ct-{name}", config(**args) | {"format": format},
            packers.compressed(weight(*shape, len(name)), format, dtype, global_scale, **args), packed)

    group = {"type": "int", "strategy": "group", "group_size": 32}
    for bits in (2, 3, 4, 5, 6, 8):
        add_one(f"int{bits}", "pack-quantized", True, num_bits=bits, symmetric=True, **group)
    add_one("int7", "pack-quantized", False, num_bits=7, symmetric=True, **group)
    add_one("int4-asymmetric", "pack-quantized", True, torch.float16, shape=(16, 64), num_bits=4, symmetric=False, **group)
    add_one("int4-rows-of-no-word", "pack-quantized", True, shape=(12, 64), num_bits=4, symmetric=False, **group)
    add_one("int4-columns-of-no-word", "pack-quantized", False, shape=(5, 20), num_bits=4, symmetric=True, type="int",
            strategy="channel")
    add_one("int8-channel", "pack-quantized", True, num_bits=8, symmetric=True, type="int", strategy="channel")
    add_one("int4-float32", "pack-quantized", False, torch.float32, num_bits=4, symmetric=True, **group)
    add_one("w8a8", "int-quantized", True, num_bits=8, symmetric=True, type="int", strategy="channel")
    add_one("w8a8-asymmetric", "int-quantized", True, num_bits=8, symmetric=False, type="int", strategy="channel")
    add_one("w8a8-tensor", "int-quantized", False, torch.float32, num_bits=8, symmetric=True, type="int",
            strategy="tensor")
    add_one("fp8-channel", "float-quantized", False, num_bits=8, symmetric=True, type="float", strategy="channel")
    add_one("fp8-tensor", "float-quantized", False, torch.float32, num_bits=8, symmetric=True, type="float",
            strategy="tensor")
    add_one("fp8-blocks", "float-quantized", False, shape=(10, 72), num_bits=8, symmetric=True, type="float",
            strategy="block", block_structure=[8, 32])
    add_one("nvfp4", "nvfp4-pack-quantized", False, global_scale=731.25, num_bits=4, symmetric=True, type="float",
            strategy="tensor_group", group_size=16)
    add_one("nvfp4-undivided", "nvfp4-pack-quantized", True, global_scale=1.0, num_bits=4, symmetric=True,
            type="float", strategy="tensor_group", group_size=16)
    add_one("mxfp4", "mxfp4-pack-quantized", True, num_bits=4, symmetric=True, type="float", strategy="group",
            group_size=32)
    add_one("mxfp8", "mxfp8-quantized", True, num_bits=8, symmetric=True, type="float", strategy="group", group_size=32)


def add_fp8():
    config = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [8, 32]}
    add("fp8-whole-blocks", config, packers.fp8(weight(16, 64, 1), (8, 32)), False)
    add("fp8-cut-blocks", config, packers.fp8(weight(10, 72, 2), (8, 32), torch.bfloat16), False)


def main():
    add_gptq()
    add_awq()
    add_compressed()
    add_fp8()
    save_file(tensors, FOLDER / "packed.safetensors")
    lines = ",\n".join(json.dumps(case) for case in cases)
    (FOLDER / "packed.json").write_text(f'{{"oracle": {json.dumps(packers.VERSIONS)}, "cases": [\n{lines}\n]}}\n')
    print(f"{len(cases)} cases, {(FOLDER / 'packed.safetensors').stat().st_size // 1000} KB")


if __name__ == "__main__":
    main()
