"""docs/performance.md and its figures in docs/data/performance.json, by machine."""

import json
from pathlib import Path

import harness

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"


def page(data: dict) -> str:
    """docs/performance.md, of the figures of all machines: name -> facts and tables by title."""
    lines = [
        "# Performance",
        "",
        "Written by `bench/compare.py --write` from `docs/data/performance.json`, which keeps what other machines measured;",
        f"`docs/benchmarking.md` says how. Every number is a ratio to `mlx_embeddings` in the same run: 0.80 under texts/s is a",
        "program that embeds 0.80 texts while ours embeds one, 1.50 under p50 one that takes 1.50 times as long for a query.",
        "Other machines give other ratios; gaps under 10 % are ties.",
        "The share of peak is what the products of real tokens with weights make of the rate at which all threads could run",
        "the instruction that our kernels use at that precision, measured in the same turns: no program can pass 1.00.",
        "Qwen3's last layer counts in full, though ours leaves out of it what nobody reads: 2.6 % of the products.",
        "The minimum cosine is between each program's vectors and those of sentence-transformers in fp32.",
        "The table of architectures comes from `bench/architectures.py --write`: floating-point operations per second on",
        "random weights, divided by those of `bert` in the same turns. DeBERTa's comparisons with positions count as operations",
        "but in the table of Zen 4 (family 25, model 17): by its count there would be 0.91 times as many at 256 tokens.",
        "",
    ]
    for name, machine in sorted(data.items()):
        lines += [f"## {name}", "", *(f"- {fact}: {value}" for fact, value in machine["facts"].items()), ""]
        for title, table in machine["tables"].items():
            lines += [f"### {title}", "", table]
    return "\n".join(lines)


def machine_name(instruction_set: str) -> str:
    """Of this machine's section: other processors have the same instruction set, and other figures."""
    return f"{instruction_set}, {harness.cpu_name()}"


def write(path: Path, sections: list, name: str, facts: dict | None) -> None:
    """Puts a machine's tables among those of `docs/data/performance.json`, in place of its own of the same title. Facts
    that are there stay, but those that are measured anew."""
    file = path.parent / "data" / "performance.json"
    data = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    machine = data.setdefault(name, {"facts": {}, "tables": {}})
    machine["facts"] |= facts or {}
    machine["tables"] |= dict(sections)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    path.write_text(page(data), encoding="utf-8")
