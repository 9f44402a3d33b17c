# `convert` beside the converter of the PyPI package mlx-embeddings: `make interop`, in an environment of its own.
"""Both convert the same folders. Tensors are compared bit by bit, configurations key by key, and each program loads what
the other wrote. The checks at the end hold what docs/convert.md says of that package's faults."""

import json
import os
import subprocess
from pathlib import Path

import mlx.core as mx
import mlx_embeddings
import numpy
import pytest
from mlx_embeddings.convert import convert as convert_there

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
BINARY = Path(os.environ.get("MLXE_BINARY_DIR", ROOT / "build" / "release")) / "bin" / "mlx_embeddings"
TEXTS = ["A cat sleeps on the warm roof.", "why does bread rise", "Two dogs chase a ball across the park."]

# Their arguments and our flags.
PLAIN = {dtype: ({"dtype": dtype}, ("--dtype", dtype)) for dtype in ("float16", "bfloat16", "float32")}
AFFINE = {f"affine-{bits}-{group}": ({"quantize": True, "q_bits": bits, "q_group_size": group},
                                     ("-q", "--q-bits", bits, "--q-group-size", group))
          for bits in (2, 3, 4, 5, 6, 8) for group in (32, 64, 128)}
FLOATS = {mode: ({"quantize": True, "q_mode": mode, "q_bits": bits, "q_group_size": group}, ("-q", "--q-mode", mode))
          for mode, bits, group in (("mxfp4", 4, 32), ("mxfp8", 8, 32), ("nvfp4", 4, 16))}
FORMS = {**PLAIN, **AFFINE, **FLOATS}


@pytest.fixture(scope="session", autouse=True)
def on_the_cpu():
    mx.set_default_device(mx.cpu)


@pytest.fixture(scope="session")
def model():
    return (ROOT / "build" / "models" / "all-MiniLM-L6-v2").resolve(strict=True)


def convert_here(source, target, *flags):
    done = subprocess.run([BINARY, "convert", "--hf-path", source, "--mlx-path", target, *map(str, flags)],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def both(tmp_path):
    """A folder converted there, and here."""

    def call(source, form):
        arguments, flags = FORMS[form]
        convert_there(str(source), str(tmp_path / "theirs"), **arguments)
        # Of itself this program keeps the types of a checkpoint that float16 breaks.
        flags = flags if form in PLAIN else (*flags, "--dtype", "float16")
        return tmp_path / "theirs", convert_here(source, tmp_path / "ours", *flags)

    return call


def tensors_of(folder):
    return mx.load(str(folder / "model.safetensors"))


def same(found, wanted):
    return (found.dtype, found.shape) == (wanted.dtype, wanted.shape) and bytes(memoryview(found.view(mx.uint8))) == bytes(
        memoryview(wanted.view(mx.uint8)))


def differing(theirs, ours):
    return [name for name in theirs if not same(theirs[name], ours[name])]


def configuration_of(folder):
    return json.loads((folder / "config.json").read_text())


def vectors_here(folder):
    done = subprocess.run([BINARY, "embed", "-m", folder, "--precision", "fp32", "--output", "json", "--", *TEXTS],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return numpy.array(json.loads(done.stdout)["embeddings"], numpy.float32)


def vectors_there(folder):
    model, tokenizer = mlx_embeddings.load(str(folder))
    inputs = tokenizer.batch_encode_plus(TEXTS, return_tensors="mlx", padding=True, truncation=True)
    outputs = model(inputs["input_ids"], attention_mask=inputs["attention_mask"])
    return numpy.array(outputs.text_embeds.astype(mx.float32))


@pytest.mark.parametrize("form", FORMS)
def test_tensors_and_configuration(both, model, form):
    theirs, here = both(model, form)
    tensors = tensors_of(here)
    del tensors["embeddings.position_ids"]  # a buffer of the checkpoint, which they leave out
    assert tensors_of(theirs).keys() == tensors.keys()
    assert differing(tensors_of(theirs), tensors) == []
    wanted = configuration_of(theirs)
    if "quantization" in wanted:
        wanted["quantization_config"] = wanted["quantization"]  # the twin that transformers reads
    assert configuration_of(here) == wanted


@pytest.mark.parametrize("form", ["float16", "affine-4-32", "mxfp4", "nvfp4"])
@pytest.mark.parametrize("fixture", ["bert-mean", "xlmr-mean", "modernbert-mean", "qwen3-embed"])
def test_architectures(both, fixture, form):
    theirs, here = both(FIXTURES / fixture, form)
    # They write the names of their classes, this program those of the checkpoint.
    without_prefix = {name.removeprefix("model."): tensor for name, tensor in tensors_of(theirs).items()}
    tensors = tensors_of(here)
    tensors.pop("embeddings.position_ids", None)
    assert without_prefix.keys() == tensors.keys()
    assert differing(without_prefix, tensors) == []


# They compute in the type of the checkpoint. The bounds are a few units of its last place at 1, twice what was measured.
@pytest.mark.parametrize("form, bound", [("float32", 1e-6), ("float16", 1e-4), ("bfloat16", 1e-3), ("affine-4-64", 4e-4),
                                         ("affine-8-32", 4e-4), ("mxfp4", 4e-4), ("mxfp8", 4e-4), ("nvfp4", 4e-4)])
def test_each_loads_what_the_other_wrote(both, model, form, bound):
    theirs, here = both(model, form)
    assert (vectors_here(theirs) == vectors_here(here)).all()
    assert (vectors_there(theirs) == vectors_there(here)).all()
    numpy.testing.assert_allclose(vectors_there(here), vectors_here(here), rtol=0, atol=bound)


@pytest.mark.parametrize("form", ["affine-4-64", "affine-8-32"])
def test_dequantized(model, tmp_path, form):
    packed = convert_here(model, tmp_path / "packed", *FORMS[form][1])
    convert_there(str(packed), str(tmp_path / "theirs"), dequantize=True)
    here = convert_here(packed, tmp_path / "ours", "-d", "--dtype", "float16")
    theirs = tensors_of(tmp_path / "theirs")
    assert len(theirs) == len(tensors_of(here)) - 1  # embeddings.position_ids
    assert differing(theirs, tensors_of(here)) == []
    # They leave the block that says how the weights are packed, which they no longer are.
    assert "quantization" in configuration_of(tmp_path / "theirs")
    assert "quantization" not in configuration_of(here)
    assert (vectors_here(tmp_path / "theirs") == vectors_here(here)).all()


# What is wrong there.


@pytest.mark.parametrize("mode", FLOATS)
def test_their_modes_of_floats_need_a_group_size_and_do_not_come_back(model, tmp_path, mode):
    with pytest.raises(ValueError, match="group size|bits"):
        convert_there(str(model), str(tmp_path / "packed"), quantize=True, q_mode=mode)
    packed = convert_here(model, tmp_path / "ours", "-q", "--q-mode", mode)
    with pytest.raises(ValueError, match="Biases must be provided"):
        convert_there(str(packed), str(tmp_path / "theirs"), dequantize=True)
    convert_here(packed, tmp_path / "back", "-d")


def test_their_dequantized_weights_are_float16_whatever_is_asked_for(model, tmp_path):
    packed = convert_here(model, tmp_path / "packed", "-q")
    convert_there(str(packed), str(tmp_path / "theirs"), dequantize=True, dtype="float32")
    assert {tensor.dtype for tensor in tensors_of(tmp_path / "theirs").values()} == {mx.float16}
    here = convert_here(packed, tmp_path / "ours", "-d", "--dtype", "float32")
    assert tensors_of(here)["pooler.dense.weight"].dtype == mx.float32


def test_their_plain_conversion_casts_packed_codes(model, tmp_path):
    packed = convert_here(model, tmp_path / "packed", "-q")
    convert_there(str(packed), str(tmp_path / "theirs"))
    assert tensors_of(tmp_path / "theirs")["pooler.dense.weight"].dtype == mx.float16  # codes of 4 bits as numbers
    here = convert_here(packed, tmp_path / "ours")
    assert same(tensors_of(here)["pooler.dense.weight"], tensors_of(packed)["pooler.dense.weight"])


@pytest.mark.parametrize("fixture", ["bert-q4", "bert-classify", "bert-cls-dense", "xlmr-cls"])
def test_their_loader_wants_a_pooler_and_no_head_nor_dense_module(tmp_path, fixture):
    with pytest.raises(ValueError, match="(Missing|Received) .* parameters"):
        convert_there(str(FIXTURES / fixture), str(tmp_path / "theirs"))
    convert_here(FIXTURES / fixture, tmp_path / "ours")


def test_their_folders_lose_the_modules(both):
    theirs, here = both(FIXTURES / "modernbert-cls", "float16")
    assert (here / "1_Pooling" / "config.json").exists() and not (theirs / "1_Pooling").exists()
