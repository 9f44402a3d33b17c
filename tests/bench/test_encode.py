"""`mlx_embeddings bench encode`: what it prints, and that the numbers fit together."""

import json
import statistics
import subprocess

import numpy as np
import pytest

import harness


@pytest.fixture
def encode(programs, model, texts):
    def call(*flags, code=0):
        command = [programs / "mlx_embeddings", "bench", "encode", "-m", model, "-i", texts, *flags]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300)
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    return call


@pytest.fixture
def result(encode):
    output = encode("--json", "--runs", 3, "--query-runs", 20, "--precision", "fp32", "--threads", 2)
    return harness.last_object(output)


def test_last_line_holds_every_number(result):
    numbers = ["texts_per_s", "tokens_per_s", "p50_ms", "p99_ms", "load_s", "cold_s", "rss_mb"]
    assert all(isinstance(result[name], float | int) and result[name] > 0 for name in numbers), result


def test_machine_facts_name_what_was_measured(result):
    assert (result["precision"], result["device"], result["threads"]) == ("fp32", "cpu", 2)
    assert result["instruction_set"] and result["cpu"] and result["version"].count(".") == 2


def test_rates_come_from_the_median_round(result):
    seconds = statistics.median(result["run_s"])
    # texts_per_s has two decimals: of 20 texts/s, far below any machine's, that is a thousandth.
    assert result["texts_per_s"] == pytest.approx(result["texts"] / seconds, rel=1e-3)
    assert result["tokens_per_s"] == pytest.approx(result["tokens"] / seconds, rel=1e-3)


def test_median_of_an_even_number_of_rounds_lies_between_them(encode):
    result = harness.last_object(encode("--json", "--runs", 2, "--query-runs", 1))
    low, high = sorted(result["run_s"])
    assert len(result["run_s"]) == 2
    assert result["texts"] / result["texts_per_s"] == pytest.approx((low + high) / 2, rel=1e-3)


def test_texts_and_tokens_are_counted(result):
    # Text i has 4 (i + 1) words that are one token each, and two special tokens.
    assert result["texts"] == 20
    assert result["tokens"] == sum(4 * (i + 1) + 2 for i in range(20))


def test_percentiles_are_ordered(result):
    assert result["p50_ms"] <= result["p99_ms"]


def test_start_includes_the_load(result):
    # The clock of the process start ticks every 10 ms.
    assert result["cold_s"] >= result["load_s"] - 0.01


def test_every_round_has_its_line(encode):
    lines = [json.loads(line) for line in encode("--json", "--runs", 2, "--query-runs", 1).splitlines()]
    assert [line.get("run") for line in lines] == [1, 2, None]


def test_table_without_json(encode):
    output = encode("--runs", 1, "--query-runs", 1)
    labels = [line[:20].strip() for line in output.splitlines()]
    assert labels == [
        "processor", "precision", "texts", "texts/s", "tokens/s", "runs", "one query", "load", "first vector",
        "peak memory",
    ]  # fmt: skip


def test_saved_vectors_are_those_of_embed(encode, programs, model, texts, tmp_path):
    encode("--runs", 1, "--query-runs", 1, "--precision", "fp32", "--save", tmp_path / "a.npy")
    command = [programs / "mlx_embeddings", "embed", "-m", model, "-i", texts, "--precision", "fp32"]
    subprocess.run([str(part) for part in [*command, "-o", tmp_path / "b.npy"]], check=True, capture_output=True)
    assert np.load(tmp_path / "a.npy").shape == (20, 384)
    assert np.array_equal(np.load(tmp_path / "a.npy"), np.load(tmp_path / "b.npy"))


@pytest.mark.parametrize("flags", [("--runs", 0), ("--query-runs", 0), ("--warmup", -1), ("--runs", "many")])
def test_senseless_counts_are_refused(encode, flags):
    assert flags[0] in encode(*flags, code=2)


def test_no_texts_is_wrong_usage(programs, model):
    done = subprocess.run(
        [str(programs / "mlx_embeddings"), "bench", "encode", "-m", str(model)], capture_output=True, text=True
    )
    assert done.returncode == 2 and "no texts were given" in done.stderr and not done.stdout
