#!/usr/bin/env python3
"""How fast each architecture runs beside `bert`, per floating-point operation, and how cost grows with length.

The checkpoints come from bench/random_models.py. Every turn runs all architectures one after the other, each in a
process of its own, so that they share the machine's better and worse minutes; medians of the turns count. Operations
are counted from the weights: two for each element of a matrix that a token passes, and four times tokens times width
for each layer of attention, of which windows and causality leave out the part that nobody computes. DeBERTa compares
each pair of tokens with positions too, once or twice, at two times the width.
"""

import argparse
import json
import statistics
import struct
import tempfile
from collections import Counter
from pathlib import Path

import harness
import performance_page
import quiet

BASE = "bert"
CAUSAL = ("qwen2", "qwen3", "mistral", "llama", "lfm2")


def matrices_by_type(folder: Path) -> Counter:
    """Elements of all matrices that a token is multiplied with, by their type in the checkpoint: tables that are only
    looked up do not count."""
    elements = Counter()
    for path in folder.glob("*.safetensors"):
        with open(path, "rb") as file:
            header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        for name, tensor in header.items():
            looked_up = any(word in name for word in ("embed", "pooler", "relative_attention_bias"))
            if name != "__metadata__" and len(tensor["shape"]) == 2 and not looked_up:
                elements[tensor["dtype"]] += tensor["shape"][0] * tensor["shape"][1]
    return elements


def matrices(folder: Path) -> int:
    return matrices_by_type(folder).total()


def keys_of_a_token(tokens: int, left: int, right: int) -> float:
    """Tokens that one attends to, on average, if it sees `left` before it and `right` behind it."""
    return sum(min(tokens - 1, i + right) - max(0, i - left) + 1 for i in range(tokens)) / tokens


def attended(config: dict, tokens: int) -> float:
    """keys_of_a_token, summed over the layers."""
    layers = config.get("num_hidden_layers", config.get("n_layers"))
    kinds = config.get("layer_types") or ["full_attention"] * layers
    if config["model_type"] == "modernbert" and "layer_types" not in config:
        every = config.get("global_attn_every_n_layers", 3)
        kinds = ["sliding_attention" if layer % every else "full_attention" for layer in range(layers)]
    causal = config["model_type"] in CAUSAL and not config.get("use_bidirectional_attention")
    window = {"modernbert": config.get("local_attention", 128) // 2,
              "gemma3_text": (config.get("sliding_window") or 2) // 2}.get(config["model_type"])
    total = 0.0
    for kind in kinds:
        if kind == "full_attention":
            total += keys_of_a_token(tokens, tokens, 0 if causal else tokens)
        elif kind == "sliding_attention":
            total += keys_of_a_token(tokens, window or config["sliding_window"] - 1, 0 if causal else window)
    return total


def operations(folder: Path, tokens: int) -> float:
    """Floating-point operations of one text of `tokens` tokens."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    width = config.get("hidden_size", config.get("dim"))
    of_a_pair = 4.0 + 2.0 * len(config.get("pos_att_type") or ())
    return tokens * (2.0 * matrices(folder) + of_a_pair * width * attended(config, tokens))


def texts_of(tokens: int, count: int) -> str:
    """Lines of a word that is one token, so that lengths are known; two more tokens come from the tokenizer."""
    return "\n".join(" ".join(["time"] * (tokens - 2)) for _ in range(count)) + "\n"


def rate(folder: Path, tokens: int, count: int, threads: int, precision: str) -> dict:
    """One run: tokens per second and operations per second."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write(texts_of(tokens, count))
        file.flush()
        done = harness.run([
            harness.program(), "bench", "encode", "-m", folder, "-i", file.name, "--precision", precision,
            "--threads", threads, "--max-length", tokens, "--runs", 1, "--warmup", 1, "--query-runs", 1, "--json",
            "--quiet",
        ])  # fmt: skip
    result = harness.last_object(done.output)
    assert result["tokens"] == tokens * count, (folder, result["tokens"], tokens, count)
    per_token = operations(folder, tokens) / tokens
    return {"tokens_per_s": result["tokens_per_s"], "operations_per_s": result["tokens_per_s"] * per_token,
            "instruction_set": result["instruction_set"]}


def compare(args) -> tuple[list, str]:
    """Rows of (architecture, its rates over bert's at each length) from interleaved turns, and the instruction set."""
    found = {}
    instruction_set = ""
    cores = quiet.Cores(args.threads)
    for turn in range(args.turns):
        for tokens in args.lengths:
            count = max(2, args.tokens // tokens)
            for name in args.names:
                cores.wait_until_quiet(args.wait)
                run = rate(args.models / name, tokens, count, args.threads, args.precision)
                instruction_set = run["instruction_set"]
                found.setdefault((name, tokens), []).append(run["operations_per_s"])
                print(json.dumps({"turn": turn, "model": name, "length": tokens, **run}), flush=True)
    # Turn by turn, as the machine changes from one to the next.
    def over_base(name: str, tokens: int) -> float:
        return statistics.median(run / base for run, base in zip(found[name, tokens], found[BASE, tokens]))

    return [(name, [over_base(name, tokens) for tokens in args.lengths]) for name in args.names], instruction_set


def table_of(rows: list, lengths: list) -> str:
    lines = [f"| operations/s over {BASE} | {' | '.join(f'{n} tokens' for n in lengths)} |",
             f"| --- |{' --- |' * len(lengths)}"]
    lines += [f"| {name} | {' | '.join(f'{ratio:.2f}' for ratio in ratios)} |" for name, ratios in rows]
    return "\n".join(lines) + "\n"


def scale(args) -> tuple:
    """Rows of (length, cost of a token and its operations over those at the shortest length) for one model, and the
    instruction set."""
    rows = []
    cores = quiet.Cores(args.threads)
    for tokens in args.scaling_lengths:
        count = max(1, args.tokens // tokens)
        runs = []
        for _ in range(args.turns):
            cores.wait_until_quiet(args.wait)
            runs.append(rate(args.models / args.scaling, tokens, count, args.threads, args.precision))
        instruction_set = runs[0]["instruction_set"]
        rows.append((tokens, statistics.median(run["tokens_per_s"] for run in runs)))
        print(json.dumps({"model": args.scaling, "length": tokens, "tokens_per_s": rows[-1][1]}), flush=True)
    first = rows[0]
    wanted = [operations(args.models / args.scaling, tokens) / tokens for tokens, _ in rows]
    costs = [(tokens, first[1] / speed, operation / wanted[0]) for (tokens, speed), operation in zip(rows, wanted)]
    return costs, instruction_set


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, default=harness.ROOT / "build" / "bench-models")
    parser.add_argument("--names", nargs="*", help="folders of it; all, without any")
    parser.add_argument("--lengths", nargs="*", type=int, default=[24, 256])
    parser.add_argument("--tokens", type=int, default=12000, help="in one run")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--wait", type=float, default=10, help="seconds, at most, for a quiet machine before a run")
    parser.add_argument("--write", nargs="?", type=Path, const=performance_page.PAGE, metavar="FILE",
                        help="put the table into FILE [docs/performance.md]")  # fmt: skip
    parser.add_argument("--scaling", metavar="NAME", help="measure one model over lengths instead")
    parser.add_argument("--scaling-lengths", nargs="*", type=int,
                        default=[16, 64, 256, 1024, 4096, 16384, 32768])
    args = parser.parse_args()
    if args.scaling:
        costs, instruction_set = scale(args)
        table = "| tokens | cost of a token | operations of a token |\n| --- | --- | --- |\n" + "".join(
            f"| {tokens:,} | {cost:.2f} | {operation:.2f} |\n" for tokens, cost, operation in costs)
        print(f"\n{table}")
        if args.write:
            title = f"Length of a text, {args.scaling}, {args.precision}, over the shortest"
            performance_page.write(args.write, [(title, table)], performance_page.machine_name(instruction_set), None)
        return
    args.names = args.names or sorted(path.parent.name for path in args.models.glob("*/config.json"))
    if BASE not in args.names:
        parser.error(f"'{BASE}' must be among the models: everything is measured beside it")
    rows, instruction_set = compare(args)
    table = table_of(rows, args.lengths)
    print(f"\n{table}")
    if args.write:
        title = f"Architectures, {args.precision}, {args.turns} turns"
        performance_page.write(args.write, [(title, table)], performance_page.machine_name(instruction_set), None)


if __name__ == "__main__":
    main()
