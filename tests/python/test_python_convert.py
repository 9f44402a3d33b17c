# Converting from Python: the seed's function, its module and its errors; the program gives the same folder.
import json
import subprocess
import sys

import pytest

import mlx_embeddings
from mlx_embeddings import Embedder, convert

TEXTS = ["a cat", "the dog sat on the mat and ran away"]


@pytest.fixture(scope="module")
def quantized(tmp_path_factory, minilm_folder):
    folder = tmp_path_factory.mktemp("convert") / "minilm-8bit"
    report = convert(minilm_folder, folder, quantize=True, q_bits=8, measure=True)
    return folder, report


def test_report_and_vectors(quantized, minilm, capsys):
    folder, report = quantized
    assert report.path == str(folder) and report.min_cosine > 0.999 and report.num_texts > 0
    assert {(layer.mode, layer.bits, layer.group_size) for layer in report.layers} == {("affine", 8, 64)}
    vectors = Embedder(folder).encode(TEXTS)
    assert (vectors * minilm.encode(TEXTS)).sum(axis=1).min() > 0.999


def test_the_program_writes_the_same_weights(quantized, minilm_folder, program, tmp_path):
    program("convert", "--hf-path", minilm_folder, "--mlx-path", tmp_path / "m", "-q", "--q-bits", "8", "--quiet")
    assert (tmp_path / "m" / "model.safetensors").read_bytes() == (quantized[0] / "model.safetensors").read_bytes()


def test_dequantize_gives_floats_back(quantized, tmp_path, capsys):
    convert(quantized[0], tmp_path / "plain", dequantize=True, dtype="float32")
    assert f"[INFO] Conversion complete. Model saved to {tmp_path / 'plain'}" in capsys.readouterr().out
    assert "quantization" not in json.loads((tmp_path / "plain" / "config.json").read_text(encoding="utf-8"))
    # As mx.dequantize, it rounds to the type of the scales, float16; the quantised model computes in float32.
    vectors = Embedder(tmp_path / "plain").encode(TEXTS)
    assert (vectors * Embedder(quantized[0]).encode(TEXTS)).sum(axis=1).min() > 0.9999


@pytest.mark.parametrize("options, words", [
    ({"quantize": True, "dequantize": True}, "Choose either quantize or dequantize, not both."),
    ({"quantize": True, "q_mode": "int4"},
     "Unsupported quantization mode 'int4'. Supported modes are: affine, mxfp4, nvfp4, mxfp8"),
])  # fmt: skip
def test_contradictions_leave_nothing_behind(fixtures, tmp_path, options, words):
    with pytest.raises(ValueError) as raised:
        convert(fixtures / "bert-mean", tmp_path / "m", **options)
    assert words in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_stays(fixtures, tmp_path):
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(mlx_embeddings.Error):
        convert(fixtures / "bert-mean", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_module_and_function_share_a_name(script, fixtures, tmp_path):
    done = script(
        "import sys, mlx_embeddings, mlx_embeddings.convert\n"
        "mlx_embeddings.convert(sys.argv[1], sys.argv[2], dtype='float32')\n"
        "from mlx_embeddings import convert\n"
        "convert(sys.argv[1], sys.argv[2], dtype='float32', overwrite=True)\n",
        fixtures / "bert-mean", tmp_path / "m")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "m" / "model.safetensors").is_file()


def test_module_as_a_script(fixtures, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mlx_embeddings.convert", "--hf-path", fixtures / "bert-mean", "--mlx-path", tmp_path / "m"],
        capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
    assert done.returncode == 0 and done.stderr.endswith(f"[INFO] Conversion complete. Model saved to {tmp_path / 'm'}\n")
    assert "RuntimeWarning" not in done.stderr
    assert (tmp_path / "m" / "config.json").is_file()


def test_an_upload_that_cannot_work_is_refused_before_the_work(fixtures, tmp_path, monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    with pytest.raises(ValueError, match="uploading to 'org/m' wants a token that may write"):
        convert(fixtures / "bert-mean", tmp_path / "m", upload_repo="org/m")
    assert not (tmp_path / "m").exists()
