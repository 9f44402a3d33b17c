#!/usr/bin/env python3
"""Every fixture beside its oracle: writes docs/parity.md.

The figures are those that the conformance tests judge by: this runs them (test_models of the release build) and reads
the record that they leave. Precisions that this machine's CPU lacks are kept from the machine that last had them; they
lie in docs/data/parity.json.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import harness

DATA = harness.ROOT / "docs" / "data" / "parity.json"
PAGE = harness.ROOT / "docs" / "parity.md"
FIXTURES = harness.ROOT / "tests" / "fixtures"
DRAWS = harness.ROOT / "docs" / "data" / "bf16_draws.json"
OWN_BF16 = FIXTURES / "oracle_bf16.json"
FILTER = "*OracleCase*:*OraclePrecision*:*LateVectors*:*LateScores*:*ListCase*:*M3Case*"
COLUMNS = ("cpu", "mlx", "bf16", "int16", "int8")

HEADS = {
    "tokenize+forward": "hidden states", "embed": "vectors", "bidirec_embed": "vectors", "tokenize+classify": "labels",
    "tokenize+classify_pairs": "labels of pairs", "rerank": "rerank", "rerank_yes_no": "rerank (yes/no)",
    "tokenize+mlm_logits": "masked words", "tokenize+token_logits": "labels of tokens", "sparse_embed": "sparse",
    "multivector_text": "a vector for each token", "scores": "MaxSim", "rerank_list": "rerank (listwise)",
    "m3": "vectors and lexical weights", "m3_vectors": "a vector for each token"}


def run_tests() -> dict:
    """The report of gtest."""
    program = harness.program().parent / "test_models"
    if not program.exists():
        sys.exit(f"{program.name} is not built: make build")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        done = subprocess.run([program, f"--gtest_filter={FILTER}", f"--gtest_output=json:{report}", "--gtest_brief=1"],
                              cwd=harness.ROOT, stdout=sys.stderr)
        if done.returncode:
            sys.exit("the conformance tests fail, so there is no parity to show")
        return json.loads(report.read_text(encoding="utf-8"))


def worst_of(report: dict) -> dict:
    """Folder as the tests name it -> column -> its worst figures over all cases."""
    found = defaultdict(lambda: defaultdict(dict))
    for suite in report["testsuites"]:
        for test in suite["testsuite"]:
            if "worst_error" not in test:
                continue
            folder, _, column = re.search(r"/(\w+?)__(\w+)__(\w+)$", test["name"]).groups()
            cell = found[folder][column]
            cell["error"] = max(cell.get("error", 0.0), float(test["worst_error"]))
            cell["ids"] = cell.get("ids", 0) + int(test["token_ids"])
            if "worst_cosine" in test:
                cell["cosine"] = min(cell.get("cosine", 1.0), float(test["worst_cosine"]))
    return {folder: dict(columns) for folder, columns in found.items()}


def merged(data: dict, measured: dict, machine: str) -> dict:
    """What was measured now in place of the same column of before; columns of other machines stay."""
    for folder, columns in measured.items():
        entry = data.setdefault(folder, {})
        for column, cell in columns.items():
            entry[column] = cell | {"on": machine}
    return data


def facts_of(folder: Path) -> dict:
    cases = json.loads((folder / "cases.json").read_text(encoding="utf-8"))
    config = next((path for path in (folder / "config.json", folder / "base" / "config.json") if path.exists()), None)
    return {
        "architecture": json.loads(config.read_text(encoding="utf-8"))["model_type"] if config else "model2vec",
        "heads": list(dict.fromkeys(HEADS[case["kind"]] for case in cases["cases"])),
        "oracle": cases["oracle"], "covers": cases["covers"]}


def bf16_text(name: str, entry: dict, of_oracle: dict) -> str:
    """Our cosine, and the oracle's own where ours is below what a fixture should allow."""
    text, cosine = cell_text("bf16", entry.get("bf16")), entry.get("bf16", {}).get("cosine", 1.0)
    return f"{text} ({of_oracle[name]:.5f})" if cosine < 0.999 and name in of_oracle else text


def cell_text(column: str, cell: dict | None) -> str:
    if cell is None:
        return "-"
    if column in ("bf16", "int16", "int8") and "cosine" in cell:
        return f"{cell['cosine']:.{7 if column == 'int16' else 5}f}"
    return f"{cell['error']:.0e}"


WAYS = {"weights": "the weights of all products are rounded, nothing else is",
        "products": "these and what they multiply are (what this engine does where the CPU has no bf16)",
        "eager": "transformers' own bfloat16, eager attention", "sdpa": "transformers' own bfloat16, sdpa attention"}


def draws_text(draws: dict, ours: float | None) -> list[str]:
    """A chapter on the one folder below 0.999 where an oracle is not: what of it is chance."""
    count, ways = draws["draws"], draws["ways"]
    reached = f"ours {ours:.5f}, " if ours is not None else ""
    return [
        "", f"## `{draws['folder']}` at bf16", "",
        f"One way of the oracle reaches 0.999 here and we do not ({reached}eager attention {ways['eager']['as_it_is']:.5f}, sdpa "
        f"{ways['sdpa']['as_it_is']:.5f}).",
        "That is chance. A network stays the same when values are scaled and the products that read them scaled back, and",
        f"queries against keys, but it rounds to other weights. `tools/measure_bf16_draws.py` wrote it down in {count} such forms",
        f"(torch {draws['torch']}); the least cosine over all texts, three logits each:", "",
        "| what is rounded | the folder as it is | median form | least | forms below 0.999 |", "|" + " --- |" * 5,
        *(f"| {WAYS[way]} | {row['as_it_is']:.5f} | {row['median']:.5f} | {row['least']:.5f} | {row['below']} of {count} |"
          for way, row in ways.items()), "",
        "In the form that the folder holds, rounding the weights alone comes close to the bound, further down than in any other",
        "form, and rounding what they multiply goes below it. Over all forms that is nearer than either of the oracle's."]


def page(data: dict, fixtures: dict, own_bf16: dict, draws: dict | None = None) -> str:
    """docs/parity.md, of figures by folder and facts by folder."""
    of_oracle = own_bf16["cosines"]
    both = [(entry["bf16"]["cosine"], of_oracle[fixtures[name]["folder"]]) for name, entry in data.items()
            if "cosine" in entry.get("bf16", {}) and fixtures[name]["folder"] in of_oracle]
    one = next(iter(fixtures.values()))["oracle"]
    machines = sorted({f"{column} on {cell['on']}" for entry in data.values() for column, cell in entry.items()})
    lines = [
        "# Parity", "",
        "Written by `make parity` (`bench/parity.py`) from the record of the conformance tests, which fail where a figure is",
        "out of bounds. Every folder of `tests/fixtures` is a small checkpoint of random weights, made by",
        f"`tools/make_fixture.py` with transformers {one['transformers']}, sentence-transformers "
        f"{one['sentence_transformers']} and tokenizers {one['tokenizers']};",
        "goldens are computed in float64. The oracle is the library's own model, or one of `tools/fixtures` that we wrote",
        "plainly for what no library has.", "",
        "`cpu` and `mlx` are the largest differences at fp32 over all cases, as a share of the number where that is above 1.",
        "`bf16`, `int16` and `int8` are the least cosines to the oracle of a text's numbers (a difference, where there is one number",
        "for a text). `ids` counts the token ids that were compared, all of which are equal.", "",
        f"In brackets: the cosine of the oracle's own bfloat16 (torch {own_bf16['torch']}, `make_fixture.py --bf16`) where ours",
        f"is below 0.999. Over all {len(both)} folders it is below 0.999 in {sum(theirs < 0.999 for _, theirs in both)}, ours in "
        f"{sum(ours < 0.999 for ours, _ in both)}; ours is the nearer one in {sum(ours > theirs for ours, theirs in both)}.", "",
        f"Measured: {', '.join(machines)}.", "",
        "| architecture | folder | outputs | ids | cpu | mlx | bf16 | int16 | int8 | oracle |", "|" + " --- |" * 10]
    rows = []
    for name, facts in fixtures.items():
        entry = data.get(name, {})
        ids = entry.get("cpu", {}).get("ids", 0)
        rows.append([f"`{facts['architecture']}`", f"`{facts['folder']}`", ", ".join(facts["heads"]), str(ids or "-"),
                     *(bf16_text(facts["folder"], entry, of_oracle) if column == "bf16" else
                       cell_text(column, entry.get(column)) for column in COLUMNS),
                     facts["oracle"].get("implementation", "-")])
    lines += ["| " + " | ".join(row) + " |" for row in sorted(rows)]
    if draws:
        ours = next((entry.get("bf16", {}).get("cosine") for name, entry in data.items()
                     if fixtures[name]["folder"] == draws["folder"]), None)
        lines += draws_text(draws, ours)
    lines += ["", "## What each folder is for", ""]
    lines += [f"- `{facts['folder']}`: {facts['covers']}" for facts in sorted(fixtures.values(), key=lambda f: f["folder"])]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    info = harness.run([harness.program(), "info", "-m", FIXTURES / "bert-mean", "--output", "json"])
    machine = json.loads(info.output)["instruction_set"]
    fixtures = {}
    for folder in sorted(path.parent for path in FIXTURES.glob("*/cases.json")):
        fixtures["own_" + re.sub(r"\W", "_", folder.name)] = facts_of(folder) | {"folder": folder.name}
    measured = {name: columns for name, columns in worst_of(run_tests()).items() if name in fixtures}
    missing = sorted(facts["folder"] for name, facts in fixtures.items() if name not in measured)
    if missing:
        sys.exit(f"no test left a record of: {', '.join(missing)}")
    data = json.loads(DATA.read_text(encoding="utf-8")) if DATA.exists() else {}
    data = {name: entry for name, entry in merged(data, measured, machine).items() if name in fixtures}
    DATA.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    own_bf16 = json.loads(OWN_BF16.read_text(encoding="utf-8"))
    draws = json.loads(DRAWS.read_text(encoding="utf-8"))
    PAGE.write_text(page(data, fixtures, own_bf16, draws), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(harness.ROOT)}")


if __name__ == "__main__":
    main()
