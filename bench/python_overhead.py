# What Python adds: the throughput of Embedder.encode over that of the program's `bench encode`, interleaved.
"""python bench/python_overhead.py [--texts N] [--rounds N] FILE ...; MLXE_BINARY_DIR names the build tree.

Each round runs the program, then the package, on the same texts; the ratio of a round's two is what counts, as both saw
the same machine. 1.00 is no overhead.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
TREE = pathlib.Path(os.environ.get("MLXE_BINARY_DIR", ROOT / "build" / "release"))
MODEL = ROOT / "build" / "models" / "all-MiniLM-L6-v2"
sys.path.insert(0, str(TREE / "python"))


def program_rate(path: pathlib.Path) -> float:
    """Texts in a second, of one round of the program."""
    command = [TREE / "bin" / "mlx_embeddings", "bench", "encode", "-m", MODEL, "-i", path, "--json", "--runs", "1",
               "--query-runs", "1", "--warmup", "50"]  # fmt: skip
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(printed.splitlines()[-1])["texts_per_s"]


def main() -> None:
    from mlx_embeddings import Embedder

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=pathlib.Path, help="texts, one a line")
    parser.add_argument("--texts", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    embedder = Embedder(MODEL)
    for path in args.files:
        texts = path.read_text(encoding="utf-8").splitlines()[: args.texts]
        embedder.encode(texts[:50])
        ratios = []
        with tempfile.TemporaryDirectory() as folder:
            lines = pathlib.Path(folder) / "texts.txt"
            lines.write_text("\n".join(texts) + "\n", encoding="utf-8")
            for _ in range(args.rounds):
                program = program_rate(lines)
                began = time.perf_counter()
                embedder.encode(texts)
                ratios.append(len(texts) / (time.perf_counter() - began) / program)
        print(
            f"{path.name}: {len(texts)} texts, {args.rounds} rounds: package / program {statistics.median(ratios):.3f} "
            f"({min(ratios):.3f} to {max(ratios):.3f})"
        )


if __name__ == "__main__":
    main()
