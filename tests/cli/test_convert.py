"""`convert`: its weights are those of mx.quantize bit by bit, its folders load, and nothing is left half-written."""

import json
import resource
import shutil
import signal
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import mlx.core as mx
import numpy
import pytest

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
DTYPES = {"float32": mx.float32, "float16": mx.float16, "bfloat16": mx.bfloat16}
AFFINE = [("affine", bits, group) for bits in (2, 3, 4, 5, 6, 8) for group in (32, 64, 128)]
FORMATS = [*AFFINE, ("mxfp4", 4, 32), ("mxfp8", 8, 32), ("nvfp4", 4, 16)]
TEXTS = ["A cat sleeps on the warm roof.", "why does bread rise", "Two dogs chase a ball across the park."]


@pytest.fixture
def convert(run, tmp_path):
    """Converts into a folder of its own; gives the folder."""

    def call(source, *flags, name="out", code=0):
        target = tmp_path / name
        done = run("convert", "--hf-path", source, "--mlx-path", target, *flags)
        assert done.returncode == code, done.stderr
        return target if code == 0 else done

    return call


def tensors_of(folder):
    tensors = {}
    for file in sorted(folder.glob("model*.safetensors")):
        tensors |= mx.load(str(file))
    return tensors


def same(found, wanted):
    if found.dtype != wanted.dtype or found.shape != wanted.shape:
        return False
    view = {1: mx.uint8, 2: mx.uint16, 4: mx.uint32}[found.dtype.size]
    return bool(mx.array_equal(found.view(view), wanted.view(view)))


def quantized(weight, mode, bits, group):
    parts = mx.quantize(weight, group_size=group, bits=bits, mode=mode, stream=mx.cpu)
    return dict(zip(("weight", "scales", "biases"), parts))


def embed(run, folder, texts=TEXTS):
    with tempfile.TemporaryDirectory() as scratch:
        done = run("embed", "-m", folder, "--precision", "fp32", "-o", f"{scratch}/vectors.npy", *texts)
        assert done.returncode == 0, done.stderr
        return numpy.load(f"{scratch}/vectors.npy").astype(numpy.float64)


def cosines(before, after):
    return (before * after).sum(1) / numpy.linalg.norm(before, axis=1) / numpy.linalg.norm(after, axis=1)


def awkward_weights():
    """Ordinary rows and those at which a quantiser may go wrong, 128 columns."""
    random = numpy.random.default_rng(3)
    normal = random.standard_normal((24, 128)).astype(numpy.float32)
    rows = [*normal[:8], *(normal[8:16] * 10.0 ** -numpy.arange(1, 9)[:, None]), *(normal[16:] * 1000)]
    rows += [numpy.zeros(128), numpy.full(128, 1.0), numpy.full(128, -0.001), normal[0] + 10, numpy.abs(normal[1])]
    rows += [numpy.round(normal[2] * 4) / 4, numpy.where(normal[3] > 2, normal[3], 0), normal[4] * 2.0**-20]
    return numpy.array(rows, dtype=numpy.float32)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_format_is_libmlx_bit_by_bit(convert, tmp_path, dtype):
    source = tmp_path / "source"
    source.mkdir()
    (source / "config.json").write_text('{"model_type": "bert"}')
    weight = mx.array(awkward_weights())
    mx.save_safetensors(str(source / "model.safetensors"), {"a.weight": weight, "a.bias": weight[0]})
    for mode, bits, group in FORMATS:
        target = convert(source, "-q", "--q-mode", mode, "--q-bits", bits, "--q-group-size", group, "--dtype", dtype,
                         name=f"{mode}-{bits}-{group}")
        found = tensors_of(target)
        wanted = quantized(weight.astype(DTYPES[dtype]), mode, bits, group)
        assert set(found) == {f"a.{part}" for part in wanted} | {"a.bias"}
        for part, tensor in wanted.items():
            assert same(found[f"a.{part}"], tensor), (mode, bits, group, part)
        assert same(found["a.bias"], weight[0].astype(DTYPES[dtype]))
        back = convert(target, "-d", "--dtype", dtype, name=f"{mode}-{bits}-{group}-back")
        expanded = mx.dequantize(*wanted.values(), group_size=group, bits=bits, mode=mode, dtype=DTYPES[dtype])
        assert same(tensors_of(back)["a.weight"], expanded), (mode, bits, group, "back")
        assert "quantization" not in json.loads((back / "config.json").read_text())


# The least cosine of TEXTS' vectors with those of the float32 checkpoint; a little below what was measured.
@pytest.mark.parametrize("flags, least", [
    ([], 0.999999),
    (["-q"], 0.93),
    (["-q", "--q-bits", "8"], 0.9998),
    (["-q", "--q-bits", "6", "--q-group-size", "32"], 0.998),
    (["-q", "--q-mode", "mxfp4"], 0.9),
    (["-q", "--q-mode", "mxfp8"], 0.99),
    (["-q", "--q-mode", "nvfp4"], 0.93),
])
def test_the_default_model_keeps_its_vectors(run, convert, model, flags, least):
    target = convert(model, *flags)
    found = cosines(embed(run, model), embed(run, target))
    assert found.min() >= least, found


def test_the_default_models_layers_are_those_of_libmlx(convert, model):
    target = convert(model, "-q")
    before, after = tensors_of(model), tensors_of(target)
    layers = [name[:-7] for name in before if name.endswith(".weight") and before[name].ndim == 2]
    assert len(layers) == 6 * 6 + 4  # the blocks', three tables and the pooler
    for path in layers:
        for part, tensor in quantized(before[f"{path}.weight"].astype(mx.float16), "affine", 4, 64).items():
            assert same(after[f"{path}.{part}"], tensor), (path, part)
    assert same(after["embeddings.LayerNorm.weight"], before["embeddings.LayerNorm.weight"].astype(mx.float16))


def test_the_folder_is_what_mlx_community_publishes(convert, model):
    target = convert(model, "-q", "--q-bits", "8", "--q-group-size", "32")
    names = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert {"model.safetensors", "model.safetensors.index.json", "config.json", "tokenizer.json", "modules.json",
            "1_Pooling/config.json", "README.md", "quantization_report.json"} <= names
    assert not any("tmp" in name for name in names)
    text = (target / "config.json").read_text()
    config = json.loads(text)
    assert config["quantization"] == config["quantization_config"] == {"bits": 8, "group_size": 32, "mode": "affine"}
    assert "_name_or_path" not in config
    assert text == json.dumps(config, indent=4, sort_keys=True) + "\n"
    index = json.loads((target / "model.safetensors.index.json").read_text())
    tensors = tensors_of(target)
    assert list(index["weight_map"]) == sorted(tensors)
    assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in tensors.values())
    with open(target / "model.safetensors", "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    assert header["__metadata__"] == {"format": "mlx"}
    card = (target / "README.md").read_text()
    assert card.startswith("---\n") and "- mlx\n" in card
    assert f"mlx_embeddings convert --hf-path {model.name} --quantize --q-mode affine --q-bits 8" in card
    assert str(model) not in card  # paths of this machine stay here


def test_the_report_tells_every_layers_error(run, convert, model):
    target = convert(model, "-q", "--report")
    report = json.loads((target / "quantization_report.json").read_text())
    before, after = tensors_of(model), tensors_of(target)
    layer = next(one for one in report["layers"] if one["path"] == "encoder.layer.3.output.dense")
    weight = before["encoder.layer.3.output.dense.weight"].astype(mx.float16).astype(mx.float32)
    parts = [after[f"encoder.layer.3.output.dense.{part}"] for part in ("weight", "scales", "biases")]
    wide = [parts[0], *(part.astype(mx.float32) for part in parts[1:])]
    weight = numpy.array(weight).astype(numpy.float64)
    difference = weight - numpy.array(mx.dequantize(*wide, group_size=64, bits=4))
    relative = numpy.linalg.norm(difference) / numpy.linalg.norm(weight)
    assert layer["relative_error"] == pytest.approx(relative, rel=1e-5)
    assert layer["largest_error"] == pytest.approx(numpy.abs(difference).max(), rel=1e-5)
    assert 0.8 < report["end_to_end"]["min_cosine"] <= report["end_to_end"]["mean_cosine"] < 1
    assert report["end_to_end"]["texts"] == 24


def rows_of_the_docs():
    """Flags, bits per weight, least cosine and mean of docs/convert.md; the budgets' rows take a minute each."""
    text = (ROOT / "docs" / "convert.md").read_text().split("## The default model, form by form")[1]
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")]
    return [row for row in rows[1:] if "--error-budget" not in row[0]]


@pytest.mark.parametrize("flags, bits, least, mean", rows_of_the_docs())
def test_the_cosines_of_the_docs(convert, model, flags, bits, least, mean):
    target = convert(model, *("" if flags == "(float16)" else flags).split(), "--report")
    report = json.loads((target / "quantization_report.json").read_text())
    assert f"{report['bits_per_weight']:.2f}" == bits
    # Half a unit of the last digit that is printed, and what fp32 of another instruction set may add.
    assert report["end_to_end"]["min_cosine"] == pytest.approx(float(least), abs=6e-6)
    assert report["end_to_end"]["mean_cosine"] == pytest.approx(float(mean), abs=6e-6)


FLOATS = sorted(path.parent.name for path in FIXTURES.glob("*/config.json")
                if "quantization" not in path.read_text() and (path.parent / "model.safetensors").exists()
                and not path.parent.name.startswith("static") and path.parent.name != "bert-lora")


@pytest.mark.parametrize("name", FLOATS)
def test_every_architecture_loads_what_was_converted(run, convert, name):
    target = convert(FIXTURES / name, "-q", "--q-bits", "8", "--q-group-size", "32")
    before, after = (json.loads(run("info", "-m", folder, "--output", "json").stdout)
                     for folder in (FIXTURES / name, target))
    assert after["num_parameters"] == before["num_parameters"]
    assert after["pooling"] == before["pooling"] and after["modules"] == before["modules"]


def test_a_group_that_does_not_divide_skips_the_layer_and_says_so(run, tmp_path):
    done = run("convert", "--hf-path", FIXTURES / "bert-mean", "--mlx-path", tmp_path / "out", "-q", "--q-group-size", 32)
    assert done.returncode == 0
    assert ("[INFO] Skipping quantization of encoder.layer.0.output.dense: Last dimension 72 is not divisible by group "
            "size 32.") in done.stderr
    assert done.stderr.splitlines()[-1] == f"[INFO] Conversion complete. Model saved to {tmp_path / 'out'}"
    tensors = tensors_of(tmp_path / "out")
    assert "encoder.layer.0.output.dense.scales" not in tensors
    assert "encoder.layer.0.intermediate.dense.scales" in tensors


def test_families_that_float16_breaks_keep_their_type(run, tmp_path):
    source = FIXTURES / "gemma3-embed"
    done = run("convert", "--hf-path", source, "--mlx-path", tmp_path / "out")
    assert "[WARNING] the activations of gemma3_text overflow float16" in done.stderr
    before, after = tensors_of(source), tensors_of(tmp_path / "out")
    assert all(same(after[name], tensor) for name, tensor in before.items())
    done = run("convert", "--hf-path", source, "--mlx-path", tmp_path / "half", "--dtype", "float16")
    assert {tensor.dtype for tensor in tensors_of(tmp_path / "half").values()} == {mx.float16}


def test_modules_of_sentence_transformers_go_along(run, convert):
    source = FIXTURES / "bert-cls-dense"
    target = convert(source, "--dtype", "float32")
    assert numpy.array_equal(embed(run, source), embed(run, target))
    half = convert(source, name="half")
    assert mx.load(str(half / "2_Dense" / "model.safetensors"))["linear.weight"].dtype == mx.float16
    assert (half / "2_Dense" / "config.json").read_bytes() == (source / "2_Dense" / "config.json").read_bytes()


def test_a_recipe_writes_what_each_layer_got(run, convert):
    source = FIXTURES / "qwen3-embed"
    target = convert(source, "-q", "--q-recipe", "mixed_4_6", "--q-group-size", 32)
    config = json.loads((target / "config.json").read_text())
    blocks, tensors = config["num_hidden_layers"], tensors_of(target)
    assert config["quantization"]["bits"] == 4
    for block in range(blocks):
        more = block < blocks // 8 or block >= 7 * blocks // 8 or (block - blocks // 8) % 3 == 2
        path = f"layers.{block}.self_attn.v_proj"
        assert (path in config["quantization"]) == more
        assert tensors[f"{path}.weight"].shape[1] == 32 * (6 if more else 4) // 32
    assert embed(run, target).shape == embed(run, source).shape


def test_an_error_budget_is_kept(run, convert, tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(TEXTS))
    source = FIXTURES / "bert-mean"
    target = convert(source, "-q", "--q-group-size", 32, "--error-budget", 0.999, "--calibration", texts)
    report = json.loads((target / "quantization_report.json").read_text())
    found = cosines(embed(run, source), embed(run, target))
    assert found.min() >= 0.999
    assert report["end_to_end"]["min_cosine"] == pytest.approx(found.min(), abs=1e-6)
    assert report["end_to_end"]["texts"] == len(TEXTS)
    assert len({layer["bits"] for layer in report["layers"]}) > 1  # layers differ in what they need
    assert report["bits_per_weight"] < 16


@pytest.mark.parametrize("flags, message", [
    (["-q", "-d"], "Choose either quantize or dequantize, not both."),
    (["-q", "--q-mode", "int4"],
     "Unsupported quantization mode 'int4'. Supported modes are: affine, mxfp4, nvfp4, mxfp8"),
    (["-q", "--q-bits", "7"], "wanted affine of 2, 3, 4, 5, 6 or 8 bits in groups of 32, 64 or 128; mxfp4"),
    (["-q", "--q-mode", "mxfp4", "--q-bits", "8"], "8-bit mxfp4, groups of 32 is no format of MLX"),
    (["-q", "--q-mode", "nvfp4", "--q-group-size", "32"], "4-bit nvfp4, groups of 32 is no format of MLX"),
    (["-q", "--q-recipe", "mixed"], "there is no recipe 'mixed'"),
    (["-q", "--q-recipe", "mixed_4_6", "--q-mode", "mxfp4"], "not of mxfp4"),
    (["--q-recipe", "mixed_4_6"], "not asked for"),
    (["-q", "--error-budget", "1.5"], "wanted a cosine"),
])
def test_contradictions_are_refused_before_anything_is_read(run, tmp_path, flags, message):
    done = run("convert", "--hf-path", tmp_path / "nowhere", "--mlx-path", tmp_path / "out", *flags)
    assert done.returncode == 2 and message in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_values_override_the_modes_own(convert):
    source = FIXTURES / "bert-mean"
    quantization = json.loads((convert(source, "-q", "--q-bits", 0, "--q-group-size", 32) / "config.json").read_text())
    assert quantization["quantization"] == {"bits": 4, "group_size": 32, "mode": "affine"}


def test_a_quantised_model_is_not_quantised_again(convert):
    failed = convert(FIXTURES / "bert-q4", "-q", code=2)
    assert "quantised already" in failed.stderr
    failed = convert(FIXTURES / "bert-mean", "-d", code=2)
    assert "not quantised" in failed.stderr
    copy = tensors_of(convert(FIXTURES / "bert-q4"))
    assert all(same(copy[name], tensor) for name, tensor in tensors_of(FIXTURES / "bert-q4").items())


@pytest.mark.parametrize("name", ["bert-compressed", "qwen3-awq", "qwen3-fp8", "qwen3-gptq"])
def test_what_another_library_packed_is_expanded(run, convert, name):
    failed = convert(FIXTURES / name, "-q", code=2)
    assert "quantised by another library" in failed.stderr and "--dequantize" in failed.stderr
    target = convert(FIXTURES / name, "-d", "--dtype", "float32")
    assert "quantization" not in (target / "config.json").read_text()
    assert cosines(embed(run, FIXTURES / name), embed(run, target)).min() > 1 - 1e-6


def test_an_existing_folder_is_replaced_only_if_asked(run, convert, tmp_path):
    source = FIXTURES / "bert-mean"
    target = convert(source)
    before = (target / "model.safetensors").stat().st_ino
    failed = convert(source, code=2)
    assert "is there already" in failed.stderr and "--overwrite" in failed.stderr
    assert (target / "model.safetensors").stat().st_ino == before
    convert(source, "--overwrite", "--dtype", "float32")
    assert (target / "model.safetensors").stat().st_ino != before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    failed = run("convert", "--hf-path", target, "--mlx-path", target, "--overwrite")
    assert failed.returncode == 2 and "lie in one another" in failed.stderr
    assert (target / "config.json").exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_conversion_leaves_no_half_folder(binary, model, tmp_path, number):
    target = tmp_path / "out"
    process = subprocess.Popen([binary, "convert", "--hf-path", model, "--mlx-path", target, "-q", "--error-budget", "0.999"],
                               stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob("out.tmp-*/model.safetensors")):
        assert process.poll() is None, "it ended before it could be stopped"
        time.sleep(0.001)
    process.send_signal(number)
    assert process.wait(timeout=60) in (-signal.SIGKILL, 128 + signal.SIGTERM)
    assert not target.exists()
    if number == signal.SIGTERM:
        assert list(tmp_path.iterdir()) == []


def test_two_conversions_into_one_folder_leave_one_whole_model(binary, run, model, tmp_path):
    command = [binary, "convert", "--hf-path", model, "--mlx-path", tmp_path / "out", "-q"]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    talk = [process.communicate(timeout=300)[1] for process in both]
    # The slower one finds the other's folder, at its begin or at its end.
    assert sorted(process.returncode for process in both) == [0, 2], talk
    assert sum("is there already" in text for text in talk) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert embed(run, tmp_path / "out").shape == (len(TEXTS), 384)


def test_a_full_disk_is_an_error_and_leaves_nothing(binary, model, tmp_path):
    limit = 10_000_000
    done = subprocess.run([binary, "convert", "--hf-path", model, "--mlx-path", tmp_path / "out"], capture_output=True,
                          text=True, timeout=300,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert done.returncode == 4
    assert "model.safetensors" in done.stderr and "File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shard", ["../model.safetensors", "/etc/x.safetensors", "a/b.safetensors", "..\\x.safetensors",
                                   "model.bin"])
def test_an_index_cannot_point_elsewhere(run, tmp_path, shard):
    source = tmp_path / "source"
    source.mkdir()
    shutil.copy(FIXTURES / "bert-mean" / "config.json", source)
    (source / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a.weight": shard}}))
    done = run("convert", "--hf-path", source, "--mlx-path", tmp_path / "out")
    assert done.returncode == 3 and "wanted a plain file name" in done.stderr
    assert not (tmp_path / "out").exists()


def test_what_is_no_checkpoint_is_named(run, tmp_path):
    for content, words in ((b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git-LFS pointer"),
                           (None, "has no weights")):
        source = tmp_path / words.replace(" ", "-")
        source.mkdir()
        shutil.copy(FIXTURES / "bert-mean" / "config.json", source)
        if content:
            (source / "model.safetensors").write_bytes(content)
        done = run("convert", "--hf-path", source, "--mlx-path", tmp_path / "out")
        assert done.returncode == 3 and words in done.stderr
        assert not (tmp_path / "out").exists()


def test_the_same_bytes_for_any_number_of_threads(convert, model):
    one = convert(model, "-q", "--threads", 1, name="one")
    three = convert(model, "-q", "--threads", 3, name="three")
    assert (one / "model.safetensors").read_bytes() == (three / "model.safetensors").read_bytes()
