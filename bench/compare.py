#!/usr/bin/env python3
"""Runs this program beside other ones on the same texts, interleaved, and says how they relate.

Every run is a process of its own, in turns (A B C A B C ...), so that a machine that gets slower or busier meets all
of them. A turn in which other programs took a noticeable part of the processors is repeated. The peers are scripts
peer_NAME.py of a folder that print one JSON line; each needs a Python of its own (VENVS/NAME/bin/python). A peer
without its script, its Python or its exported model is left out, and the output says so.
"""

import argparse
import datetime
import json
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import architectures
import cold_start
import comparison_tables
import harness
import performance_page
import quiet
import token_ids
from comparison_tables import OURS

ROOT = harness.ROOT
LATENCY_TEXTS = 100  # of a row that is there for the delay of one query


@dataclass(frozen=True)
class Contender:
    """One row of the table."""

    label: str
    peer: str  # "" is this program
    precision: str
    flags: tuple = ()
    batch: dict = field(default_factory=dict)  # corpus -> the batch size that was fastest for it
    exported: str = ""  # what the peer needs in the model folder
    latency_only: bool = False  # a few texts only: its throughput is another row's business
    suffix: str = ""  # of the model folder's name: another form of the same weights


def contenders(precision: str, threads: int) -> list:
    """This program and its peers at one precision, the batch sizes being the best of 4 to 64 on each corpus. int16,
    which no peer has, meets those of bf16."""
    theirs = "bf16" if precision == "int16" else precision
    openvino = "ov/int8.xml" if precision == "int8" else "ov/fp32.xml"
    onnx = "onnx/fused_int8.onnx" if precision == "int8" else "onnx/fused.onnx"
    streams = ("--streams", str(threads))
    found = [
        Contender(f"{OURS} {precision}", "", precision),
        Contender(f"{OURS} {precision}, 4-bit weights", "", precision, suffix="-4bit"),
        *([Contender(f"{OURS} bf16", "", "bf16")] if precision == "int16" else []),
        Contender(
            f"OpenVINO {theirs}, {threads} streams", "openvino", theirs, streams,
            {"sentences": 16, "passages": 4, "qwen128": 4, "qwen512": 4}, openvino,
        ),
        Contender(f"OpenVINO {theirs}, 1 stream", "openvino", theirs, (), {}, openvino, latency_only=True),
        Contender(f"sentence-transformers {theirs}", "torch", theirs, (),
                  {"sentences": 32, "passages": 16, "qwen128": 4, "qwen512": 4}),
    ]
    if theirs != "bf16":  # ONNX Runtime has no bf16 on the CPU
        found.insert(
            3,
            Contender(
                f"ONNX Runtime {precision}", "onnxruntime", precision, (), {"sentences": 16, "passages": 8}, onnx
            ),
        )
    return found


@dataclass
class Place:
    """Where everything is."""

    peers: Path
    model: Path
    venvs: Path
    pythons: dict

    def folder(self, contender: Contender) -> Path:
        return self.model.with_name(self.model.name + contender.suffix)

    def python_of(self, peer: str) -> Path:
        return Path(self.pythons.get(peer) or self.venvs / peer / "bin" / "python")

    def missing(self, contender: Contender) -> str:
        """Why a contender cannot take part; empty if it can."""
        if not contender.peer:
            if contender.suffix and not self.folder(contender).exists():
                return f"no model folder {self.folder(contender).name}"
            return "" if harness.program().exists() else "the program is not built"
        script = self.peers / f"peer_{contender.peer}.py"
        if not script.exists():
            return f"no {script.name} in the folder of peers"
        if not self.python_of(contender.peer).exists():
            return f"no Python for it; --venvs or --python {contender.peer}=PATH names one"
        if contender.exported and not (self.model / contender.exported).exists():
            return f"the model folder has no {contender.exported}"
        return ""


@dataclass(frozen=True)
class Work:
    threads: int
    max_length: int
    query_runs: int
    warmup: int
    wait_s: float  # for a quiet machine, before each run


def command_of(contender: Contender, place: Place, corpus: Path, work: Work, vectors: Path) -> list:
    """One run over the corpus, then the query again and again. The vectors of ours are saved, peers check their own."""
    if not contender.peer:
        model = token_ids.readable(place.folder(contender), vectors.parent)
        # Token ids, which peers take as they are.
        texts = token_ids.as_texts(corpus, vectors.parent) if corpus.suffix == ".jsonl" else corpus
        return [
            harness.program(), "bench", "encode", "-m", model, "-i", texts, "--precision", contender.precision,
            "--threads", work.threads, "--max-length", work.max_length, "--runs", 1, "--warmup", work.warmup,
            "--query-runs", work.query_runs, "--save", vectors, "--json", "--quiet",
        ]  # fmt: skip
    limit = LATENCY_TEXTS if contender.latency_only else 0  # 0: all
    return [
        place.python_of(contender.peer), place.peers / f"peer_{contender.peer}.py", place.model, corpus,
        "--dtype", contender.precision, "--threads", work.threads, "--max-len", work.max_length,
        "--batch", contender.batch.get(corpus.stem, 32), "--runs", 1, "--warmup", work.warmup,
        "--latency", work.query_runs, "--limit", limit, *contender.flags,
    ]  # fmt: skip


def accuracy(vectors: np.ndarray, reference: np.ndarray) -> dict:
    """The smallest cosine and the largest difference of any number between vectors and reference, row by row."""
    if vectors.shape != reference.shape:
        raise ValueError(f"the vectors have shape {vectors.shape}, the reference {reference.shape}")
    ours, theirs = vectors.astype(np.float64), reference.astype(np.float64)
    cosines = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    return {"min_cos": float(cosines.min()), "max_abs_err": float(np.abs(ours - theirs).max())}


def one_run(contender: Contender, place: Place, corpus: Path, work: Work, folder: Path) -> dict:
    vectors = folder / "vectors.npy"
    environment = harness.clean_environment() | {"PEER_NOLOCK": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = harness.run(command_of(contender, place, corpus, work, vectors), environment, folder)
    result = harness.last_object(done.output)
    # A peer knows what others took during its measured run alone; ours is the whole process.
    result["others"] = max(result["others_cpu"]) if result.get("others_cpu") else done.others
    if not contender.peer:
        reference = corpus.with_name(f"{corpus.stem}.{place.model.name}.torch_fp32.npy")
        if reference.exists():
            result |= accuracy(np.load(vectors), np.load(reference)[: len(np.load(vectors))])
    return result


def weight_bytes(model: Path, precision: str) -> int:
    """Of the weights that every token meets, as we keep them: at fp32 those that the checkpoint has in 16 bits stay so.
    At int8 some stay at 16 bits, which is not counted."""
    if precision == "fp32":
        elements = architectures.matrices_by_type(model)
        return sum(count * (2 if dtype in ("F16", "BF16") else 4) for dtype, count in elements.items())
    return architectures.matrices(model) * {"bf16": 2, "int16": 2, "int8": 1}[precision]


def limits_of_machine(model: Path, precision: str, threads: int) -> dict:
    """Operations a second that all threads do in a loop of the instruction that the kernels of a precision are made of,
    and bytes a second that they read of as many as the weights have."""
    machine = quiet.bench_kernels(f"--read_bytes={weight_bytes(model, precision)}", f"--all_threads={threads}")
    return {"operations": machine["peak_gops"][precision] * 1e9 * threads,
            "bytes": machine["all_threads"]["read_gbytes_per_s"] * 1e9}  # fmt: skip


def share_of_peak(result: dict, model: Path, operations: float) -> float:
    """The rate of the products with weights, of real tokens alone, over what all threads could multiply."""
    return result["tokens_per_s"] * 2 * architectures.matrices(model) / operations


def run_or_leave_out(contender: Contender, place: Place, corpus: Path, work: Work, folder: Path, failed: dict):
    """The result of a run, or None of a peer whose program cannot do this model: `failed` then says why."""
    try:
        return one_run(contender, place, corpus, work, folder)
    except RuntimeError as error:
        if not contender.peer:
            raise
        say(f"left out: {contender.label}: {' '.join(str(error).split())}")
        failed[contender.label] = str(error).partition(":")[0]  # what it printed may name folders of this machine
        return None


def compare(group: list, place: Place, corpus: Path, work: Work, turns_wanted: int, log) -> tuple[list, dict]:
    """Turns until enough quiet ones are there, at most twice as many as wanted; and the peers that failed, and how.
    These are in no turn."""
    turns, failed = [], {}
    cores = quiet.Cores(work.threads)
    with tempfile.TemporaryDirectory() as folder:
        while sum(quiet.unrest(turn, cores.best) <= 1 for turn in turns) < turns_wanted and len(turns) < 2 * turns_wanted:
            turn = {}
            precision = group[0].precision
            cores.wait_until_quiet(work.wait_s)
            limits = limits_of_machine(place.model, precision, work.threads) if cores.measurable else None
            for contender in group:
                if contender.label in failed:
                    continue
                before = cores.wait_until_quiet(work.wait_s)
                with tempfile.TemporaryDirectory(dir=folder) as own:
                    result = run_or_leave_out(contender, place, corpus, work, Path(own), failed)
                if result is None:
                    continue
                result["cores"] = min(before, cores.rate())
                if limits and contender.precision == precision:  # others have another instruction
                    result["share_of_peak"] = share_of_peak(result, place.model, limits["operations"])
                if limits and contender is group[0]:
                    result["read_ms"] = weight_bytes(place.model, precision) / limits["bytes"] * 1e3
                turn[contender.label] = result
                log(result | {"turn": len(turns) + 1, "contender": contender.label, "corpus": corpus.stem})
                say(f"{corpus.stem}, turn {len(turns) + 1}: {contender.label}: {result['texts_per_s']:.1f} texts/s, "
                    f"p50 {result['p50_ms']:.2f} ms (others took {result['others']:.0%}, the cores did "
                    f"{result['cores'] / (cores.best or 1):.0%} of their best)")  # fmt: skip
            turns.append(turn)
    turns = [{label: result for label, result in turn.items() if label not in failed} for turn in turns]
    kept = quiet.keep_quiet_turns(turns, turns_wanted, cores.best)
    loud = sum(quiet.unrest(turn, cores.best) > 1 for turn in kept)
    if loud:
        say(f"{corpus.stem}: in {loud} of the {len(kept)} turns that count, other programs took over {quiet.DISTURBED:.0%}, "
            f"or the cores were over {quiet.SLOWED:.0%} slower than at their best")  # fmt: skip
    return kept, failed


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def pairs(texts: list) -> dict:
    """["openvino=/x/python"] -> {"openvino": "/x/python"}"""
    found = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not equals or not path:
            raise SystemExit(f"--python takes NAME=PATH, not {text!r}")
        found[name] = path
    return found


def parse_arguments() -> argparse.Namespace:
    shared = ROOT.parent / "shared" / "bench"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, default=shared / "peers", help="folder of the peer_NAME.py")
    parser.add_argument("--venvs", type=Path, default=ROOT / ".venvs", help="folder of one environment for each peer")
    parser.add_argument("--python", action="append", default=[], metavar="NAME=PATH", help="a peer's own interpreter")
    parser.add_argument("--models", type=Path, default=ROOT / "build" / "models", help="folder of model folders")
    parser.add_argument("--model", nargs="+", default=["all-MiniLM-L6-v2"], help="some of them")
    parser.add_argument("--corpus", type=Path, default=shared / "corpus", help="folder of the text files")
    parser.add_argument("--texts", nargs="+", default=["sentences", "passages"],
                        help="files of texts or of token ids, without .txt or .jsonl")  # fmt: skip
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16", "int16", "int8"],
                        choices=["fp32", "bf16", "int16", "int8"],
                        help="those that the machine has no kernels for are left out")  # fmt: skip
    parser.add_argument("--only", nargs="+", default=[], metavar="PEER", help="openvino, onnxruntime, torch")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--max-length", type=int, default=512)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--query-runs", type=int, default=200)
    parser.add_argument("--warmup", type=int, default=300, help="texts before the measured run")
    parser.add_argument("--wait", type=float, default=25, help="seconds to wait for a quiet machine before each run")
    parser.add_argument("--limit", type=int, default=0, help="only the first N texts (0: all)")
    parser.add_argument("--log", type=Path, help="append every run as a JSON line")
    parser.add_argument("--write", nargs="?", type=Path, const=performance_page.PAGE, metavar="FILE",
                        help="write the ratios to FILE [docs/performance.md]")  # fmt: skip
    return parser.parse_args()


def first_texts(folder_of_texts: Path, name: str, limit: int, folder: Path) -> Path:
    """A corpus of texts or, if there are none, of token ids: the file, or a copy of its first lines beside the same
    rows of its reference vectors' file."""
    corpus = folder_of_texts / f"{name}.txt"
    if not corpus.exists() and corpus.with_suffix(".jsonl").exists():
        corpus = corpus.with_suffix(".jsonl")
    if limit == 0:
        return corpus
    short = folder / corpus.name
    short.write_text("".join(corpus.read_text(encoding="utf-8").splitlines(keepends=True)[:limit]), encoding="utf-8")
    for reference in corpus.parent.glob(f"{corpus.stem}.*.npy"):
        np.save(folder / reference.name, np.load(reference)[:limit])
    return short


def has_precision(model: Path, precision: str) -> bool:
    """Whether this machine has kernels of ours for a precision that are there for speed."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            readable = token_ids.readable(model, Path(folder))
            info = harness.run([harness.program(), "info", "-m", readable, "--precision", precision])
    except RuntimeError as error:
        if "has no kernels" in str(error):
            return False
        raise
    return "does not multiply bf16 in hardware" not in info.output


def chosen(given: argparse.Namespace, place: Place, precision: str) -> list:
    """Ours first, then the peers that can take part; empty if ours cannot."""
    if harness.program().exists() and not has_precision(place.model, precision):
        say(f"left out: {precision}: this machine has no kernels for it")
        return []
    group = []
    for contender in contenders(precision, given.threads):
        why = place.missing(contender)
        if why:
            say(f"left out: {contender.label}: {why}")
        elif not contender.peer or not given.only or contender.peer in given.only:
            group.append(contender)
    return [] if not group or group[0].peer else group


def main() -> int:
    given = parse_arguments()
    work = Work(given.threads, given.max_length, given.query_runs, given.warmup, given.wait)

    def log(record: dict) -> None:
        if given.log:
            with open(given.log, "a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")

    sections, measured, facts, instruction_set = [], [], {}, ""
    for model in given.model:
        place = Place(given.peers, given.models / model, given.venvs, pairs(given.python))
        for precision in given.precision:
            group = chosen(given, place, precision)
            for name in given.texts if group else []:
                latency_only = {contender.label for contender in group if contender.latency_only}
                with tempfile.TemporaryDirectory() as folder:
                    corpus = first_texts(given.corpus, name, given.limit, Path(folder))
                    if len(corpus.read_text(encoding="utf-8").splitlines()) <= LATENCY_TEXTS:
                        latency_only = set()  # they ran all of it
                    turns, failed = compare(group, place, corpus, work, given.turns, log)
                table = comparison_tables.medians(turns)
                first = f"the first {given.limit} " if given.limit else ""
                title = f"{model}, {first}{name}, {precision}"
                print(f"\n## {title}\n\n{comparison_tables.table_of_numbers(table, latency_only)}", flush=True)
                ratios = comparison_tables.table_of_ratios(table, group[0].label, latency_only)
                ratios += comparison_tables.reading_beside_a_query(table, group[0].label, weight_bytes(place.model, precision))
                ratios += comparison_tables.left_out(failed) + f"\nTurns: {given.turns}, medians.\n"
                print(ratios, flush=True)
                sections.append((title, ratios))
                measured.append((place.model, precision))
                ours = turns[0][group[0].label]
                instruction_set = ours["instruction_set"]
                facts = {
                    "date": datetime.date.today().isoformat(),
                    "version": ours["version"],
                    "processor": f"{harness.cpu_name()}, {os.cpu_count()} cores, {instruction_set}",
                    "threads": given.threads,
                }
    if not sections:
        return 1
    with tempfile.TemporaryDirectory() as folder:
        model, precision = measured[0]
        readable = token_ids.readable(model, Path(folder))
        start = cold_start.measure(harness.program(), readable, precision, given.threads, 10)
    print(f"process start to first vector: {start['median_s']:.3f} s (median of {start['runs']})")
    if given.write:
        performance_page.write(given.write, sections, performance_page.machine_name(instruction_set), facts)
        say(f"wrote {given.write.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
