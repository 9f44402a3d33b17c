#!/usr/bin/env python3
"""How far each precision moves the vectors: writes docs/numerics.md.

Every precision that this machine's CPU has is compared with fp32 of the same program: on lines of real text with the
default model (real weights), and on the texts of the fixtures (random weights, every architecture). What other
machines measured is kept: the figures lie in docs/data/numerics.json, and the page is made of all of them.
"""

import argparse
import datetime
import json
import re
import tempfile
from pathlib import Path

import numpy as np

import harness

DATA = harness.ROOT / "docs" / "data" / "numerics.json"
PAGE = harness.ROOT / "docs" / "numerics.md"
PRECISIONS = ("bf16", "int16", "int8")


def embed(model: Path, texts: Path, precision: str, folder: Path, flags: tuple = ()) -> np.ndarray | None:
    """Vectors in float32, or None where this CPU has no such arithmetic."""
    out = folder / f"{precision}.npy"
    try:
        harness.run([harness.program(), "embed", "-m", model, "-i", texts, "-o", out, "--precision", precision,
                     "--device", "cpu", "--quiet", *flags])
    except RuntimeError as error:
        if "has no kernels" in str(error):
            return None
        raise
    return np.load(out)


def cosines(vectors: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Of each row with the same row of the reference; two zero vectors agree, what is not finite agrees with nothing."""
    a, b = vectors.astype(np.float64), reference.astype(np.float64)
    finite = np.isfinite(a).all(axis=1) & np.isfinite(b).all(axis=1)
    a, b = np.where(finite[:, None], a, 0), np.where(finite[:, None], b, 0)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    both_zero = (a == 0).all(axis=1) & (b == 0).all(axis=1) & finite
    return np.divide((a * b).sum(axis=1), lengths, out=np.where(both_zero, 1.0, 0.0), where=lengths > 0)


def facts_of(model: Path) -> dict:
    done = harness.run([harness.program(), "info", "-m", model, "--output", "json"])
    return json.loads(done.output)


def measure_corpora(model: Path, corpora: list) -> dict:
    """precision -> corpus -> figures."""
    found = {}
    for corpus in corpora:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            wanted = embed(model, corpus, "fp32", folder, ("--max-length", "512"))
            runs = {"fp32": wanted} | {p: embed(model, corpus, p, folder, ("--max-length", "512")) for p in PRECISIONS}
            outside = corpus.with_suffix(f".{model.name}.torch_fp32.npy")
            for precision, vectors in runs.items():
                reference = np.load(outside) if precision == "fp32" and outside.exists() else wanted
                if vectors is None or (precision == "fp32" and not outside.exists()):
                    continue
                close = cosines(vectors, reference)
                found.setdefault(precision, {})[corpus.stem] = {
                    "texts": len(close), "minimum": float(close.min()), "mean": float(close.mean())}
    return found


def fixture_texts(folder: Path) -> list:
    """All texts of the cases that give vectors of texts."""
    cases = json.loads((folder / "cases.json").read_text(encoding="utf-8"))["cases"]
    texts = [text for case in cases if case["kind"] == "embed" for text in case.get("texts", [])]
    return list(dict.fromkeys(texts))


def measure_fixtures(root: Path) -> dict:
    """architecture -> precision -> the smallest and the mean cosine over all of its fixtures."""
    found = {}
    for path in sorted(root.glob("*/cases.json")):
        texts = fixture_texts(path.parent)
        if not texts:
            continue
        config = path.parent / "config.json"
        kind = json.loads(config.read_text(encoding="utf-8"))["model_type"] if config.exists() else "static"
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            lines = folder / "texts.jsonl"
            lines.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
            wanted = embed(path.parent, lines, "fp32", folder)
            for precision in PRECISIONS:
                vectors = embed(path.parent, lines, precision, folder)
                if vectors is not None:
                    found.setdefault(kind, {}).setdefault(precision, []).extend(cosines(vectors, wanted).tolist())
    return {kind: {precision: {"texts": len(all_), "minimum": min(all_), "mean": sum(all_) / len(all_)}
                   for precision, all_ in by.items()} for kind, by in found.items()}


def table(header: list, rows: list) -> list:
    return ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header),
            *("| " + " | ".join(row) + " |" for row in rows), ""]


def page(data: dict) -> str:
    lines = [
        "# Numerics", "",
        "Written by `make numerics` (`bench/numerics.py`) from `docs/data/numerics.json`. Cosines between a text's vector at",
        "a precision and its vector in fp32; fp32 itself is compared with sentence-transformers where its vectors are at",
        "hand. Statistics, softmax, pooling and norms are float32 at every precision, and so are all sums of what",
        "products give. Rows of a precision whose arithmetic has changed since are left out until it is measured anew.", "",
        "## Real weights, real text", "",
    ]
    rows = []
    for machine, entry in sorted(data.items()):
        for precision, corpora in entry["corpora"].items():
            for corpus, figures in corpora.items():
                rows.append([entry["model"], precision, corpus, f"{figures['texts']:,}", f"{figures['minimum']:.7f}",
                             f"{figures['mean']:.7f}", machine, entry["date"]])
    lines += table(["model", "precision", "texts of", "count", "minimum cosine", "mean cosine", "instruction set", "date"],
                   sorted(rows))
    lines += ["## Every architecture that embeds, random weights", "",
              "The checkpoints of `tests/fixtures`: 24 to 64 values wide with weights of large gain, which is harder than any",
              "trained model: an error of one layer is amplified by the next. Compare architectures, not with the table above.",
              ""]
    rows = []
    for machine, entry in sorted(data.items()):
        for kind, by in entry["fixtures"].items():
            for precision, figures in by.items():
                rows.append([f"`{kind}`", precision, str(figures["texts"]), f"{figures['minimum']:.5f}",
                             f"{figures['mean']:.5f}", machine])
    lines += table(["architecture", "precision", "texts", "minimum cosine", "mean cosine", "instruction set"],
                   sorted(rows))
    lines += ["## Functions", "", "Largest errors of the vectorised functions, held by `tests/backend_cpu/kernels_test.cpp` "
              "against libm:", ""]
    lines += table(["function", "error below", "measured as"], [
        ["sigmoid", "3e-7", "absolute"],
        ["tanh", "5e-7", "absolute"], ["GELU (erf)", "3e-7", "share of max(1, abs(x))"],
        ["GELU (tanh)", "4e-7", "share of max(1, abs(x))"], ["SiLU", "3e-7", "share of max(1, abs(x))"]])
    return "\n".join(lines)


def main():
    shared = harness.ROOT.parent / "shared" / "bench" / "corpus"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=harness.MODEL)
    parser.add_argument("--corpus", nargs="*", type=Path, help="files of lines [those of ../shared/bench, or LICENSE]")
    args = parser.parse_args()
    corpora = args.corpus or sorted(shared.glob("*.txt")) or [harness.ROOT / "LICENSE"]
    machine = facts_of(args.model)["instruction_set"]
    data = json.loads(DATA.read_text(encoding="utf-8")) if DATA.exists() else {}
    data[re.sub(r"\W", "_", machine)] = {
        "date": datetime.date.today().isoformat(),
        "model": args.model.name,
        "corpora": measure_corpora(args.model, corpora),
        "fixtures": measure_fixtures(harness.ROOT / "tests" / "fixtures"),
    }
    DATA.parent.mkdir(exist_ok=True)
    DATA.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    PAGE.write_text(page(data), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(harness.ROOT)}")


if __name__ == "__main__":
    main()
