#!/usr/bin/env python3
"""Feeds the program texts of random length and watches its memory from outside: it must stay flat."""

import argparse
import json
import math
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import harness


def vocabulary(model: Path) -> list:
    """Words that the model's tokenizer knows, so that lengths in words are close to lengths in tokens."""
    words = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    return sorted(word for word in words if re.fullmatch("[a-z]+", word))


def random_texts(words: list, count: int, longest: int, seed: int):
    """Lengths are spread evenly over their logarithm: many short texts, some as long as `longest` words."""
    chance = random.Random(seed)
    for _ in range(count):
        length = round(math.exp(chance.uniform(0, math.log(longest))))
        yield " ".join(chance.choices(words, k=length))


def resident_mb(pid: int) -> float | None:
    """None once the process has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return None
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found.group(1)) / 1024 if found else None


def growth(samples: list) -> tuple:
    """The most memory in the first fifth of the run, the most after it, and how much more that is.

    The first fifth holds what comes once: the arenas growing to the longest texts, the embedding table's pages.
    """
    settled = max(1, len(samples) // 5)
    before, after = max(samples[:settled]), max(samples[settled:])
    return before, after, after / before - 1


def measure(program: Path, model: Path, texts: int, longest: int, threads: int, precision: str, seed: int) -> dict:
    words = vocabulary(model)
    samples = []
    with tempfile.TemporaryDirectory() as folder:
        vectors = Path(folder) / "vectors.npy"
        flags = ["--threads", threads, "--precision", precision]
        command = [program, "embed", "-m", model, *flags, "-i", "-", "-o", vectors]
        start = time.monotonic()
        talk = Path(folder) / "stderr"
        with open(talk, "wb") as stderr, subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=stderr
        ) as process:

            def feed():
                try:
                    for text in random_texts(words, texts, longest, seed):
                        process.stdin.write(text.encode() + b"\n")
                    process.stdin.close()
                except BrokenPipeError:
                    pass  # the exit code below says more

            feeder = threading.Thread(target=feed)
            feeder.start()
            while process.poll() is None:
                sample = resident_mb(process.pid)
                if sample:
                    samples.append(sample)
                time.sleep(0.02)
            feeder.join()
        seconds = time.monotonic() - start
        if process.returncode != 0:
            raise RuntimeError(f"the program ended with {process.returncode}: {talk.read_text()[-500:]}")
        header = vectors.open("rb").read(128).decode("latin-1")
        if f"({texts}," not in header:
            raise RuntimeError(f"the vectors' file is not of {texts} rows: {header!r}")
    before, after, grown = growth(samples)
    return {
        "bench": "memory",
        "texts": texts,
        "longest": longest,
        "seconds": round(seconds, 1),
        "samples": len(samples),
        "settled_mb": round(before, 1),
        "peak_mb": round(max(before, after), 1),
        "growth": round(grown, 4),
        "precision": precision,
        "threads": threads,
        "seed": seed,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-m", "--model", type=Path, default=harness.MODEL)
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--longest", type=int, default=200, help="words of the longest text")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most-growth", type=float, default=0.05, help="fail beyond this share")
    given = parser.parse_args()
    result = measure(
        harness.program(), given.model, given.texts, given.longest, given.threads, given.precision, given.seed
    )
    print(json.dumps(result))
    return 0 if result["growth"] <= given.most_growth else 1


if __name__ == "__main__":
    sys.exit(main())
