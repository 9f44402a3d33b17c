"""bench/compare.py: what it runs, how it counts, what it writes. The peers here are scripts of a few lines."""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import compare
import comparison_tables
import performance_page
import harness
import quiet
import token_ids

PEER = """
import json, sys
print("a library says hello")
print(json.dumps(dict(texts_per_s=50.0, tokens_per_s=500, p50_ms=2.0, p99_ms=4.0, rss_mb=300, load_s=0.5,
                      others_cpu=[0.01], min_cos=0.999, max_abs_err=1e-6, arguments=sys.argv[1:])))
"""


@pytest.fixture
def place(tmp_path, model):
    """A folder with two peers, each with a Python; the model has no exports for one of them."""
    peers = tmp_path / "peers"
    peers.mkdir()
    for name in ("torch", "openvino"):
        (peers / f"peer_{name}.py").write_text(PEER)
    return compare.Place(peers, model, tmp_path / "venvs", {"torch": sys.executable, "openvino": sys.executable})


@pytest.fixture
def steady_machine(monkeypatch):
    """A machine that always does the same, as comparisons see it."""
    line = {"peak_gops": {"fp32": 100.0}, "all_threads": {"fp32_gops": 200.0, "read_gbytes_per_s": 10.0}}
    monkeypatch.setattr(quiet, "bench_kernels", lambda *flags: line)
    monkeypatch.setattr(harness, "busy_seconds", lambda: None)


WORK = compare.Work(threads=2, max_length=512, query_runs=7, warmup=5, wait_s=0)


def contender(label, **more):
    return compare.Contender(label, "torch", "fp32", **more)


def test_missing_says_what_a_peer_lacks(place):
    why = {peer.label: place.missing(peer) for peer in compare.contenders("fp32", 2)}
    assert why["sentence-transformers fp32"] == ""
    assert "ov/fp32.xml" in why["OpenVINO fp32, 2 streams"]
    assert "peer_onnxruntime.py" in why["ONNX Runtime fp32"]
    place.pythons.clear()
    assert "--python torch=PATH" in place.missing(contender("x"))


def test_peer_command_has_the_best_batch_of_the_corpus(place):
    peer = contender("x", batch={"sentences": 16}, flags=("--streams", "2"))
    for corpus, batch in (("sentences", 16), ("other", 32)):
        command = [str(part) for part in compare.command_of(peer, place, Path(corpus + ".txt"), WORK, Path("v.npy"))]
        flags = dict(zip(command[4::2], command[5::2]))
        assert flags["--batch"] == str(batch) and flags["--streams"] == "2" and flags["--limit"] == "0"
        assert flags["--threads"] == "2" and flags["--latency"] == "7" and flags["--max-len"] == "512"


def test_latency_rows_run_few_texts(place):
    command = compare.command_of(contender("x", latency_only=True), place, Path("c.txt"), WORK, Path("v.npy"))
    assert command[command.index("--limit") + 1] == 100


def test_bf16_leaves_out_the_peer_that_has_none():
    assert not any("ONNX" in peer.label for peer in compare.contenders("bf16", 2))
    assert any("ONNX" in peer.label for peer in compare.contenders("int8", 2))


def test_int16_meets_the_peers_of_bf16():
    found = {peer.label: (peer.peer, peer.precision) for peer in compare.contenders("int16", 2)}
    assert next(iter(found)) == "mlx_embeddings int16" and found["mlx_embeddings int16"] == ("", "int16")
    assert found["mlx_embeddings bf16"] == ("", "bf16") and found["OpenVINO bf16, 2 streams"] == ("openvino", "bf16")
    assert not any("ONNX" in label for label in found)


def test_accuracy_is_that_of_the_worst_row():
    reference = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    vectors = np.array([[1.0, 0.0], [0.6, 0.8]], np.float32)
    found = compare.accuracy(vectors, reference)
    assert found["min_cos"] == pytest.approx(0.8) and found["max_abs_err"] == pytest.approx(0.6)


def test_accuracy_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"\(1, 2\).*\(2, 2\)"):
        compare.accuracy(np.zeros((1, 2)), np.zeros((2, 2)))


@pytest.mark.parametrize("best_cores", [0.0, 500.0])
def test_disturbed_turns_are_dropped_whole(best_cores):
    turns = [{"a": {"others": x, "cores": best_cores}, "b": {"others": y, "cores": best_cores}} for x, y in
             ((0, 0.5), (0.01, 0.03), (0.02, 0), (0.2, 0.1))]  # fmt: skip
    assert [quiet.unrest(turn, best_cores) > 1 for turn in turns] == [True, False, False, True]
    assert quiet.keep_quiet_turns(turns, 2, best_cores) == turns[1:3]
    assert quiet.keep_quiet_turns(turns, 3, best_cores) == turns[1:4]


def test_turns_on_slowed_cores_are_dropped_too():
    turns = [{"a": {"others": 0.01, "cores": 500}, "b": {"others": 0, "cores": cores}} for cores in (250, 480, 370, 380)]
    assert [quiet.unrest(turn, 500) > 1 for turn in turns] == [True, False, True, False]
    assert quiet.keep_quiet_turns(turns, 3, 500) == turns[1:4]


def test_waiting_ends_when_the_cores_are_at_their_best_or_time_is_up(monkeypatch):
    monkeypatch.setattr(harness, "wait_until_quiet", lambda limit_s: True)
    rates = iter([500, 250, 370, 380, 200, 210])
    monkeypatch.setattr(quiet, "bench_kernels", lambda flag: {"all_threads": {"fp32_gops": next(rates)}})
    cores = quiet.Cores(2)
    cores.measurable = True
    assert [cores.wait_until_quiet(60), cores.wait_until_quiet(60), cores.wait_until_quiet(-1)] == [500, 380, 200]
    assert cores.best == 500


def test_medians_of_speed_and_worst_accuracy():
    turns = [{"a": {"texts_per_s": speed, "min_cos": cos, "max_abs_err": 1 - cos}} for speed, cos in
             ((3, 0.9), (1, 0.5), (2, 1.0))]  # fmt: skip
    assert comparison_tables.medians(turns) == {"a": {"texts_per_s": 2, "min_cos": 0.5, "max_abs_err": 0.5}}


def test_ratios_are_to_ours():
    table = {
        "ours": {"texts_per_s": 100.0, "p50_ms": 2.0, "rss_mb": 100, "share_of_peak": 0.9},
        "peer": {"texts_per_s": 80.0, "p50_ms": 3.0, "rss_mb": 250, "min_cos": 0.97},
        "quick": {"texts_per_s": 1.0, "p50_ms": 1.0},
    }
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in
            comparison_tables.table_of_ratios(table, "ours", {"quick"}).splitlines()]  # fmt: skip
    assert rows[2] == ["ours", "1.00", "0.90", "1.00", "-", "1.00", "-", "-"]
    assert rows[3] == ["peer", "0.80", "-", "1.50", "-", "2.50", "-", "0.970000"]
    assert rows[4] == ["quick", "-", "-", "0.50", "-", "-", "-", "-"]


def test_bound_is_what_the_fastest_peer_leaves():
    table = {"mlx_embeddings bf16": {"share_of_peak": 0.9}, "slow": {"share_of_peak": 0.4}, "fast": {"share_of_peak": 0.8},
             "quick": {"share_of_peak": 0.95}}  # fmt: skip
    assert "uses 0.80 of the peak" in comparison_tables.bound(table, {"quick"}) and "1.25 times" in comparison_tables.bound(table, {"quick"})
    assert comparison_tables.bound({"mlx_embeddings bf16": {"share_of_peak": 0.9}, "old": {}}, set()) == ""


def test_a_query_stands_beside_the_time_to_read_its_weights():
    table = {"mlx_embeddings fp32": {"p50_ms": 10.0, "read_ms": 8.0}, "mlx_embeddings bf16": {"p50_ms": 5.0},
             "slow": {"p50_ms": 20.0}, "quick": {"p50_ms": 16.0}}  # fmt: skip
    sentence = comparison_tables.reading_beside_a_query(table, "mlx_embeddings fp32", 340_000_000)
    assert "340 MB" in sentence and "0.80 of our p50 and 0.50 of the fastest peer's" in sentence
    assert comparison_tables.reading_beside_a_query({"mlx_embeddings fp32": {"p50_ms": 10.0}, "x": {"p50_ms": 1.0}},
                                              "mlx_embeddings fp32", 1) == ""  # fmt: skip


def test_numbers_leave_out_the_speed_of_latency_rows():
    table = {"peer": {"texts_per_s": 80.0, "p50_ms": 3.0, "rss_mb": 250.0, "min_cos": 0.97}}
    assert "| peer | 80.0 | - | 3.00 | - | 250 | - | 0.970000 | - |" in comparison_tables.table_of_numbers(table, set())
    assert "| peer | - | - | 3.00 | - | 250 | - | 0.970000 | - |" in comparison_tables.table_of_numbers(table, {"peer"})


def test_turns_interleave_and_disturbed_ones_are_repeated(place, steady_machine, monkeypatch):
    calls = []
    others = iter([0.5, 0, 0, 0, 0, 0])

    def one_run(peer, *_):
        calls.append(peer.label)
        return {"texts_per_s": 1.0, "tokens_per_s": 9.0, "p50_ms": 1.0, "others": next(others)}

    monkeypatch.setattr(compare, "one_run", one_run)
    logged = []
    turns, failed = compare.compare([contender("a"), contender("b")], place, Path("c.txt"), WORK, 2, logged.append)
    assert calls == ["a", "b"] * 3 and not failed
    assert len(turns) == 2 and all(quiet.unrest(turn, 200.0) <= 1 for turn in turns)
    assert [record["turn"] for record in logged] == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("slow_at", [2, 3])  # before the run, and after it; 0 and 1 are for the limits of the turn
def test_turns_on_slowed_cores_are_repeated(place, steady_machine, monkeypatch, slow_at):
    steady = quiet.bench_kernels()
    rates = iter([200.0 if call != slow_at else 100.0 for call in range(20)])

    def bench_kernels(*flags):
        return steady | {"all_threads": steady["all_threads"] | {"fp32_gops": next(rates)}}

    monkeypatch.setattr(quiet, "bench_kernels", bench_kernels)
    monkeypatch.setattr(quiet.time, "monotonic", iter(range(1000)).__next__)  # no time to wait for better ones
    monkeypatch.setattr(compare, "one_run", lambda *_: {"texts_per_s": 1.0, "tokens_per_s": 9.0, "p50_ms": 1.0, "others": 0.0})
    logged = []
    turns, _ = compare.compare([contender("a")], place, Path("c.txt"), WORK, 2, logged.append)
    assert [record["cores"] for record in logged] == [100.0, 200.0, 200.0]
    assert [turn["a"]["cores"] for turn in turns] == [200.0, 200.0]


def test_turns_end_on_a_machine_that_is_never_quiet(place, steady_machine, monkeypatch):
    monkeypatch.setattr(compare, "one_run", lambda *_: {"texts_per_s": 1.0, "tokens_per_s": 9.0, "p50_ms": 1.0, "others": 0.9})
    logged = []
    turns, _ = compare.compare([contender("a")], place, Path("c.txt"), WORK, 3, logged.append)
    assert len(logged) == 6 and len(turns) == 3


def test_a_peer_that_fails_is_left_out_and_named(place, steady_machine, monkeypatch):
    calls = []

    def one_run(peer, *_):
        calls.append(peer.label)
        if peer.label == "broken" or peer.label == "late" and calls.count("late") == 2:
            raise RuntimeError("python ended with -8: no /a/folder\n")
        return {"texts_per_s": 1.0, "tokens_per_s": 9.0, "p50_ms": 1.0, "others": 0.0}

    monkeypatch.setattr(compare, "one_run", one_run)
    group = [contender("good"), contender("broken"), contender("late")]
    turns, failed = compare.compare(group, place, Path("c.txt"), WORK, 2, lambda record: None)
    assert calls == ["good", "broken", "late", "good", "late"]
    assert [list(turn) for turn in turns] == [["good"], ["good"]]
    assert "Left out: broken, whose program failed (python ended with -8)." in comparison_tables.left_out(failed)
    assert list(failed) == ["broken", "late"] and comparison_tables.left_out({}) == ""


def test_a_failure_of_ours_is_an_error(place, monkeypatch):
    def one_run(*_):
        raise RuntimeError("mlx_embeddings ended with 1")

    monkeypatch.setattr(compare, "one_run", one_run)
    with pytest.raises(RuntimeError, match="ended with 1"):
        compare.compare([compare.Contender("ours", "", "fp32")], place, Path("c.txt"), WORK, 1, lambda record: None)


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory, model, programs):
    """The script as a user starts it, on 20 texts, with one peer."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "peer_torch.py").write_text(PEER)
    (folder / "few.txt").write_text("".join(f"text number {i}\n" for i in range(30)), encoding="utf-8")
    reference = np.random.default_rng(1).standard_normal((30, 384)).astype(np.float32)
    np.save(folder / "few.all-MiniLM-L6-v2.torch_fp32.npy", reference)
    (folder / "all-MiniLM-L6-v2").symlink_to(model)
    page = folder / "performance.md"
    command = [
        sys.executable, compare.__file__, "--peers", folder, "--python", f"torch={sys.executable}", "--models", folder,
        "--corpus", folder, "--precision", "fp32", "--texts", "few", "--limit", 20, "--turns", 1, "--query-runs", 5, "--wait", 0,
        "--write", page, "--log", folder / "log.jsonl",
    ]  # fmt: skip
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_whole_run_prints_and_writes_both_rows(whole_run):
    folder, done = whole_run
    page = (folder / "performance.md").read_text(encoding="utf-8")
    for text in (done.stdout, page):
        assert re.search(r"\| mlx_embeddings fp32 \| 1.00 \| [\d.]+ (\| 1.00 ){4}\|", text)
        assert re.search(r"\| sentence-transformers fp32 (\| [\d.]+ ){6}\| 0.999000 \|", text)
        assert re.search(r"One query meets 42 MB of weights.* took \d\.\d\d of our p50", text)
        assert "\nTurns: 1, medians.\n" in text
    assert "left out: OpenVINO fp32, 2 streams: no peer_openvino.py" in done.stderr
    assert "process start to first vector: 0." in done.stdout


def test_precisions_without_kernels_are_left_out(place, monkeypatch, capsys):
    given = argparse.Namespace(threads=2, only=[])
    monkeypatch.setattr(compare.harness, "program", lambda: Path(sys.executable))
    monkeypatch.setattr(compare, "has_precision", lambda _, precision: precision == "int8")
    assert compare.chosen(given, place, "bf16") == []
    assert "left out: bf16: this machine has no kernels for it" in capsys.readouterr().err
    assert [peer.label for peer in compare.chosen(given, place, "int8")] == [
        "mlx_embeddings int8", "sentence-transformers int8"]  # fmt: skip


def test_whole_run_compares_our_vectors_with_the_reference(whole_run):
    """The reference here is random: a cosine near 1 would mean that nobody looked."""
    records = [json.loads(line) for line in (whole_run[0] / "log.jsonl").read_text().splitlines()]
    ours = next(record for record in records if record["contender"] == "mlx_embeddings fp32")
    assert ours["texts"] == 20 and -1 < ours["min_cos"] < 0.5 and ours["max_abs_err"] > 0.1


def test_page_has_facts_and_no_places(whole_run):
    folder, _ = whole_run
    page = (folder / "performance.md").read_text(encoding="utf-8")
    assert f"- processor: {harness.cpu_name()}, " in page and re.search(r"- date: \d{4}-\d\d-\d\d", page)
    assert re.search(r"^## \w+, " + re.escape(harness.cpu_name()) + "$", page, re.MULTILINE)
    assert str(folder) not in page and "/home" not in page and "/tmp" not in page


def test_page_keeps_what_other_machines_measured(tmp_path):
    page = tmp_path / "performance.md"
    performance_page.write(page, [("m, sentences, fp32", "| old |\n"), ("m, sentences, int8", "| int8 |\n")], "avx2",
                           {"date": "1", "note": "loud"})
    performance_page.write(page, [("m, sentences, fp32", "| other |\n")], "avx512", {"date": "2"})
    performance_page.write(page, [("m, sentences, fp32", "| new |\n")], "avx2", {"date": "3"})
    text = page.read_text(encoding="utf-8")
    assert "| old |" not in text and "- date: 1" not in text
    assert text.index("## avx2") < text.index("| new |") < text.index("| int8 |") < text.index("## avx512")
    assert "| other |" in text and "- date: 2" in text and "- date: 3" in text and "- note: loud" in text


def test_only_missing_kernels_leave_a_precision_out(model, monkeypatch):
    assert compare.has_precision(model, "fp32")
    with pytest.raises(RuntimeError, match="no model"):
        compare.has_precision(Path("/nosuch"), "fp32")
    monkeypatch.setenv("MLXE_CPU_ISA", "portable")
    assert not compare.has_precision(model, "int8")
    assert not compare.has_precision(model, "bf16")


def test_python_without_a_name_is_refused():
    with pytest.raises(SystemExit, match="NAME=PATH"):
        compare.pairs(["openvino"])


def test_share_of_peak_counts_each_weight_twice(tmp_path):
    header = json.dumps({"layer.weight": {"dtype": "F32", "shape": [30, 100], "data_offsets": [0, 12000]},
                         "embed.weight": {"dtype": "F32", "shape": [500, 100], "data_offsets": [0, 0]}}).encode()  # fmt: skip
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    # 2 * 3,000 operations a token, of 2e9 a second
    assert compare.share_of_peak({"tokens_per_s": 1e5}, tmp_path, 2e9) == pytest.approx(0.3)
    assert [compare.weight_bytes(tmp_path, precision) for precision in ("fp32", "int16", "int8")] == [12000, 6000, 3000]


def test_weights_of_16_bits_stay_so_at_fp32(tmp_path):
    header = json.dumps({"a.weight": {"dtype": "BF16", "shape": [30, 100], "data_offsets": [0, 6000]},
                         "b.weight": {"dtype": "F32", "shape": [10, 100], "data_offsets": [6000, 10000]}}).encode()  # fmt: skip
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    assert [compare.weight_bytes(tmp_path, precision) for precision in ("fp32", "bf16")] == [10000, 8000]


def test_token_ids_become_texts_of_words(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text('{"vocab_size": 5}')
    (tmp_path / "ids.jsonl").write_text("[3, 0, 4]\n[1]\n")
    folder = tmp_path / "work"
    folder.mkdir()
    copy = token_ids.readable(model, folder)
    assert (copy / "config.json").read_text() == '{"vocab_size": 5}'
    assert json.loads((copy / "tokenizer.json").read_text())["model"]["vocab"]["t4"] == 4
    assert token_ids.as_texts(tmp_path / "ids.jsonl", folder).read_text() == "t3 t0 t4\nt1\n"


def test_a_corpus_of_token_ids_is_found_and_cut(tmp_path):
    (tmp_path / "ids.jsonl").write_text("[3]\n[1]\n")
    assert compare.first_texts(tmp_path, "ids", 0, tmp_path) == tmp_path / "ids.jsonl"
    folder = tmp_path / "work"
    folder.mkdir()
    assert compare.first_texts(tmp_path, "ids", 1, folder).read_text() == "[3]\n"
