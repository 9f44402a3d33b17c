#!/usr/bin/env python3
"""Measures from outside how long the program takes from its start to the first vector: the way a script feels it."""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import harness

QUERY = "How do I bake fresh bread at home?"


def first_vector_seconds(program: Path, model: Path, precision: str, threads: int) -> float:
    """From before the process exists to the last byte of its one vector on the pipe."""
    flags = ["--precision", precision, "--threads", threads, "--output", "jsonl"]
    command = [program, "embed", "-m", model, *flags, QUERY]
    start = time.monotonic()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process:
        line = process.stdout.readline()
        seconds = time.monotonic() - start
        talk = process.stderr.read()
    if process.returncode != 0 or not json.loads(line)["embedding"]:
        raise RuntimeError(f"the program ended with {process.returncode}: {talk.decode(errors='replace')[-500:]}")
    return seconds


def measure(program: Path, model: Path, precision: str, threads: int, runs: int) -> dict:
    """The first run, which may read the model from the disk, is kept apart from the others."""
    times = [first_vector_seconds(program, model, precision, threads) for _ in range(runs + 1)]
    return {
        "bench": "cold_start",
        "runs": runs,
        "first_run_s": round(times[0], 4),
        "median_s": round(harness.median(times[1:]), 4),
        "best_s": round(min(times[1:]), 4),
        "worst_s": round(max(times[1:]), 4),
        "precision": precision,
        "threads": threads,
        "cpu": harness.cpu_name(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-m", "--model", type=Path, default=harness.MODEL)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=20)
    given = parser.parse_args()
    print(json.dumps(measure(harness.program(), given.model, given.precision, given.threads, given.runs)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
