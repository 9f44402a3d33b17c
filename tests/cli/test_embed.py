"""Texts in, vectors out: inputs, formats, fingerprints, streaming, and files that fail."""

import hashlib
import json
import os
import resource
import select
import signal
import subprocess
import time

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

TEXTS = ["a cat", "", "two dogs\tplay", "[a, b]", "{}", "naïve 日本語 😀", "a cat"]


def fingerprint(vectors):
    return hashlib.sha256(np.ascontiguousarray(vectors, "<f4").tobytes()).hexdigest()[:16]


def vectors_of(result):
    assert result.returncode == 0, result.stderr
    return np.array(json.loads(result.stdout)["embeddings"], np.float32)


@pytest.fixture(scope="module")
def reference(run, model):
    """The vectors of TEXTS; the other tests compare bits with it."""
    return vectors_of(run("embed", "-m", model, "--output", "json", "--", *TEXTS))


def test_every_text_has_a_unit_vector(reference):
    assert reference.shape == (len(TEXTS), 384)
    # A float32 norm over 384 terms is off by a few 1e-8 per term at most.
    np.testing.assert_allclose(np.linalg.norm(reference, axis=1), 1, atol=1e-5)
    assert (reference[0] == reference[6]).all()
    assert len({row.tobytes() for row in reference}) == len(TEXTS) - 1


def test_summary_has_the_seeds_keys_and_fingerprint(run, model, reference):
    facts = json.loads(run("embed", "-m", model, "--", *TEXTS).stdout)
    assert facts == {
        "model": str(model),
        "resolved_model": str(model),
        "shape": [len(TEXTS), 384],
        "dtype": "float32",
        "fingerprint": fingerprint(reference),
    }


def test_flat_form_is_the_same(run, model, reference):
    arguments = [part for text in TEXTS for part in ("--text", text)]
    assert (vectors_of(run("--model", model, *arguments, "--output", "json")) == reference).all()
    facts = json.loads(run("--model", model, *arguments).stdout)
    assert list(facts) == ["model", "resolved_model", "shape", "dtype", "fingerprint"]
    assert facts["fingerprint"] == fingerprint(reference)


def test_flat_form_reads_512_tokens(run, model):
    text = "word " * 400
    flat = vectors_of(run("--model", model, "--text", text, "--output", "json"))
    long = vectors_of(run("embed", "-m", model, text, "--max-length", 512, "--output", "json"))
    short = vectors_of(run("embed", "-m", model, text, "--output", "json"))
    assert (flat == long).all()
    assert (flat != short).any()


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_lines_of_a_file(run, model, tmp_path, ending, last, mark):
    texts = tmp_path / "texts.txt"
    texts.write_bytes(mark + ending.join(text.encode() for text in TEXTS) + (ending if last else b""))
    # `similarity` repeats the texts that it read; vectors would not show a stray CR, which BERT's tokenizer drops.
    result = run("similarity", "-m", model, "-i", texts, "--output", "json")
    assert json.loads(result.stdout)["texts"] == TEXTS


def test_standard_input(run, model, reference):
    result = run("embed", "-m", model, "-i", "-", "--output", "json", input="\n".join(TEXTS) + "\n")
    assert (vectors_of(result) == reference).all()


@pytest.mark.parametrize("field", [None, "body"])
def test_json_lines(run, model, reference, tmp_path, field):
    texts = tmp_path / "texts.jsonl"
    texts.write_text("\n\n".join(json.dumps({"id": 7, field or "text": text}) for text in TEXTS) + "\n")
    flags = ("--field", field) if field else ()
    assert (vectors_of(run("embed", "-m", model, "-i", texts, *flags, "--output", "json")) == reference).all()


def test_embedded_nul_is_text(run, model):
    result = run("embed", "-m", model, "-i", "-", "--output", "json", input="a\0b\nab\n")
    assert vectors_of(result).shape == (2, 384)


def test_npy(run, model, reference, out):
    result = run("embed", "-m", model, "-o", out / "v.npy", "--", *TEXTS)
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    assert fingerprint(reference) in result.stderr
    vectors = np.load(out / "v.npy")
    assert vectors.dtype == np.dtype("<f4")
    assert (vectors == reference).all()
    assert [entry.name for entry in out.iterdir()] == ["v.npy"]


def test_safetensors(run, model, reference, out):
    assert run("embed", "-m", model, "-o", out / "v.safetensors", "--", *TEXTS).returncode == 0
    assert (load_file(out / "v.safetensors")["embeddings"] == reference).all()
    with safe_open(out / "v.safetensors", "numpy") as file:
        assert file.metadata() == {"model": str(model)}


@pytest.mark.parametrize("place", ["file", "stdout"])
def test_json_lines_output(run, model, reference, out, place):
    long = "word " * 300
    flags = ("-o", out / "v.jsonl") if place == "file" else ("--output", "jsonl")
    result = run("embed", "-m", model, *flags, "--", *TEXTS, long)
    assert result.returncode == 0
    text = (out / "v.jsonl").read_text() if place == "file" else result.stdout
    items = [json.loads(line) for line in text.splitlines()]
    assert [item["index"] for item in items] == list(range(len(TEXTS) + 1))
    assert (np.array([item["embedding"] for item in items[:-1]], np.float32) == reference).all()
    assert [item["truncated"] for item in items] == [False] * len(TEXTS) + [True]
    assert (items[-1]["tokens"], items[-1]["tokens_in_text"]) == (256, 302)
    assert (items[1]["tokens"], items[1]["tokens_in_text"]) == (2, 2)


def test_format_overrides_the_ending(run, model, reference, out):
    assert run("embed", "-m", model, "-o", out / "v", "--format", "npy", "--", *TEXTS).returncode == 0
    assert (np.load(out / "v") == reference).all()


@pytest.mark.parametrize("format", ["npy", "safetensors", "jsonl"])
def test_device_as_output(run, model, tmp_path, out, format):
    run("embed", "-m", model, "-o", out / f"v.{format}", "a", "b")
    for place in ("/dev/stdout", "-"):
        piped = run("embed", "-m", model, "-q", "-o", place, "--format", format, "a", "b", input=b"")
        assert piped.returncode == 0
        assert piped.stdout == (out / f"v.{format}").read_bytes()


def test_output_replaces_its_own_input(run, model, out):
    path = out / "data.jsonl"
    path.write_text('{"text": "a"}\n')
    assert run("embed", "-m", model, "-i", path, "-o", path).returncode == 0
    assert len(json.loads(path.read_text())["embedding"]) == 384


def test_windows_change_nothing(run, small_model, tmp_path, out):
    texts = [f"item {i}" for i in range(8200)]  # a window holds 8,192
    (tmp_path / "texts.txt").write_text("\n".join(texts))
    for name in ("v.npy", "v.safetensors", "v.jsonl"):
        assert run("embed", "-m", small_model, "-i", tmp_path / "texts.txt", "-o", out / name).returncode == 0
    vectors = np.load(out / "v.npy")
    assert vectors.shape == (8200, 32)
    assert (load_file(out / "v.safetensors")["embeddings"] == vectors).all()
    items = [json.loads(line) for line in (out / "v.jsonl").read_text().splitlines()]
    assert [item["index"] for item in items] == list(range(8200))
    picks = [0, 8191, 8192, 8199]
    alone = vectors_of(run("embed", "-m", small_model, "--output", "json", *(texts[i] for i in picks)))
    assert (vectors[picks] == alone).all()
    facts = json.loads(run("embed", "-m", small_model, "-i", tmp_path / "texts.txt").stdout)
    assert facts["fingerprint"] == fingerprint(vectors)


def test_results_follow_a_pausing_producer(binary, model):
    with subprocess.Popen([binary, "embed", "-m", model, "-i", "-", "--output", "jsonl"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        for index in range(3):
            process.stdin.write(f"line {index}\n".encode())
            process.stdin.flush()
            answered = select.select([process.stdout], [], [], 60)[0]
            if not answered:
                process.kill()
            assert answered, "no result within a minute"
            assert json.loads(process.stdout.readline())["index"] == index
        process.stdin.close()
        assert process.stdout.read() == b""
    assert process.returncode == 0


def test_prompt_is_put_before_every_text(run, model):
    prompted = vectors_of(run("embed", "-m", model, "cat", "--prompt", "a ", "--output", "json"))
    plain = vectors_of(run("embed", "-m", model, "a cat", "cat", "--output", "json"))
    assert (prompted[0] == plain[0]).all()
    empty = vectors_of(run("embed", "-m", model, "cat", "--prompt=", "--output", "json"))
    assert (empty[0] == plain[1]).all()


def test_dimensions_and_no_normalize(run, model):
    cut = vectors_of(run("embed", "-m", model, "a", "--dimensions", 16, "--output", "json"))
    raw = vectors_of(run("embed", "-m", model, "a", "--dimensions", 16, "--no-normalize", "--output", "json"))
    assert cut.shape == raw.shape == (1, 16)
    # Both round once to float32: a few units in the last place.
    np.testing.assert_allclose(raw / np.linalg.norm(raw), cut, atol=1e-6)
    assert run("embed", "-m", model, "a", "--dimensions", 385).returncode == 2


def test_truncation_is_one_line_on_stderr(run, model):
    long = "word " * 300
    result = run("embed", "-m", model, "a", long, long)
    assert result.stderr == ("mlx_embeddings: 2 of 3 texts were truncated to 256 tokens; "
                             "--max-length raises the limit up to 512\n")
    assert run("embed", "-m", model, "-q", "a", long).stderr == ""
    result = run("embed", "-m", model, "word " * 600, "--max-length", 512)
    assert "1 of 1 texts was truncated to 512 tokens; the model reads no more" in result.stderr


@pytest.mark.parametrize("line", [2, 8195])
def test_on_overflow_error_names_the_line(run, model, tmp_path, out, line):
    lines = ["a"] * line
    lines[-1] = "word " * 300
    (tmp_path / "texts.txt").write_text("\n".join(lines))
    result = run("embed", "-m", model, "-i", tmp_path / "texts.txt", "--on-overflow", "error", "-o", out / "v.npy")
    assert result.returncode == 2
    assert f"line {line} of" in result.stderr
    assert "302 tokens" in result.stderr
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("text", ["a" * 10_000_000, "😀" * 100_000, "\u0301" * 100_000, " " * 1_000_000],
                         ids=["10 MB word", "emoji", "marks", "spaces"])
def test_monstrous_lines(run, model, text):
    result = run("embed", "-m", model, "-i", "-", "--output", "json", input=f"a cat\n{text}\n")
    vectors = vectors_of(result)
    assert vectors.shape == (2, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)  # as above


@pytest.mark.parametrize("format", ["npy", "safetensors", "jsonl"])
def test_full_device(run, model, format):
    result = run("embed", "-m", model, "a", "-o", "/dev/full", "--format", format)
    assert result.returncode == 4
    assert "No space left on device" in result.stderr


@pytest.mark.parametrize("output", ["summary", "json", "jsonl"])
def test_full_standard_output(run, model, output):
    with open("/dev/full", "w") as full:
        result = run("embed", "-m", model, "a", "--output", output, stdout=full)
    assert result.returncode == 4
    assert "standard output: No space left on device" in result.stderr


@pytest.mark.parametrize("format", ["npy", "safetensors", "jsonl"])
def test_failing_write_leaves_nothing(run, model, out, format):
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # as a full disk: the file cannot grow
    old = out / f"v.{format}"
    old.write_text("old")
    result = run("embed", "-m", model, "a", "-o", old, preexec_fn=limit)
    assert result.returncode == 4, result.stderr
    assert "File too large" in result.stderr
    assert [entry.name for entry in out.iterdir()] == [old.name]
    assert old.read_text() == "old"


def test_reader_that_leaves_ends_the_program_quietly(binary, model, tmp_path):
    (tmp_path / "texts.txt").write_text("a\n" * 500)
    command = [binary, "embed", "-m", model, "-i", tmp_path / "texts.txt", "--output", "jsonl"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def wait_until_loaded(process):
    """Reads what -v says, step by step, up to the model."""
    assert any(line.startswith("mlx_embeddings: loaded ") for line in process.stderr)


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_leaves_nothing_behind(binary, model, out, number, code):
    command = [binary, "embed", "-m", model, "-i", "-", "-o", out / "v.npy", "-v"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdin.write("a cat\n")
        process.stdin.flush()
        wait_until_loaded(process)  # now it works on the first window or waits for more
        assert os.listdir(out) != []
        process.send_signal(number)
        assert "interrupted" in process.stderr.read()
    assert process.returncode == code
    assert os.listdir(out) == []


def test_signal_ends_a_long_window_early(binary, model, tmp_path, out):
    (tmp_path / "texts.txt").write_text(("word " * 300 + "\n") * 8000)  # 2 million tokens: half a minute of two cores
    command = [binary, "embed", "-m", model, "-i", tmp_path / "texts.txt", "-o", out / "v.npy", "-v"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_until_loaded(process)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.stderr.read()
    assert process.returncode == 130
    assert time.monotonic() - start < 20  # tokenising the window takes two seconds of it
    assert os.listdir(out) == []


def test_a_model_file_that_is_cut_short_meanwhile_is_named(binary, model, variant):
    folder = variant(**{"model__safetensors": (model / "model.safetensors").read_bytes()})
    weights = folder / "model.safetensors"
    command = [binary, "embed", "-m", folder, "-i", "-", "--output", "jsonl"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as process:
        process.stdin.write("a cat\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["index"] == 0
        os.truncate(weights, 100_000)
        process.stdin.write("zebras yodel xylophones\n")
        process.stdin.close()
        told = process.stderr.read()
        assert process.stdout.read() == ""
    assert process.returncode == 3, told
    assert f"error: {weights} was cut short while it was in use" in told
