# The table beside mlx-embeddings: the same texts through both packages, each in an interpreter of its own.
"""python bench/python_parity.py --peer PYTHON [FOLDER ...]; MLXE_BINARY_DIR names the build tree.

PYTHON is an interpreter that has mlx-embeddings 0.1.0. For each folder and each side of the padding it prints whether
the token ids are equal, the largest difference of each array that both have, and the least cosine of the vectors. What a
package cannot do is printed as its error.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
TREE = pathlib.Path(os.environ.get("MLXE_BINARY_DIR", ROOT / "build" / "release"))
FOLDERS = ["bert-mean", "bert-cls-dense", "xlmr-mean", "xlmr-cls", "qwen3-embed", "qwen3-v5", "modernbert-mean",
           "modernbert-cls", "modernbert-mlm", "modernbert-classify"]  # fmt: skip
TEXTS = ["a cat", "The quick brown fox jumps over the lazy dog.", "b", "Grüße aus München, wo es heute regnet."]
MASKED = ["the cat [MASK] here", "[MASK] dog"]
ARRAYS = ("text_embeds", "last_hidden_state", "pooler_output")


def run_package(folder: str, side: str, out: str) -> None:
    """Runs in either interpreter: the arrays of one padded batch, as float32, real rows only."""
    import mlx.core as mx
    from mlx_embeddings.utils import load

    # mlx-embeddings adds the second to config.json, where nothing reads it.
    model, tokenizer = load(folder, tokenizer_config={"padding_side": side}, model_config={"precision": "fp32"})
    texts = MASKED if "mlm" in folder else TEXTS
    inputs = getattr(tokenizer, "_tokenizer", tokenizer)(texts, padding=True, return_tensors="np")
    mask = np.asarray(inputs["attention_mask"])
    ids = mx.array(np.asarray(inputs["input_ids"]).astype(np.int32))
    outputs = model(ids, attention_mask=mx.array(mask.astype(np.int32)))
    found = {"ids": np.where(mask, np.asarray(inputs["input_ids"]), 0), "mask": mask}
    for name in ARRAYS:
        array = getattr(outputs, name, None)
        if array is not None:
            values = np.array(array.astype(mx.float32))
            is_of_tokens = values.ndim == 3 and values.shape[:2] == mask.shape
            found[name] = values * mask[..., None] if is_of_tokens else values
    np.savez(out, **found)


def outcome(python: str, paths: list[str], folder: str, side: str, out: pathlib.Path) -> dict | str:
    """The arrays, or the first line of the error that went wrong last."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "HF_HUB_OFFLINE": "1"}
    command = [python, __file__, "--run", json.dumps([folder, side, str(out)])]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment)
    if ran.returncode == 0:
        return dict(np.load(out))
    lines = ran.stderr.strip().splitlines() or ["no word"]
    return next((line for line in reversed(lines) if re.match(r"[\w.]*(Error|Exception):", line)), lines[-1])[:100]


def least_cosine(left: np.ndarray, right: np.ndarray) -> float:
    lengths = np.linalg.norm(left, axis=-1) * np.linalg.norm(right, axis=-1)
    return float(np.min((left * right).sum(-1) / lengths))


def compare(ours: dict | str, theirs: dict | str) -> str:
    if isinstance(ours, str) or isinstance(theirs, str):
        return f"here: {ours}" if isinstance(ours, str) else f"there: {theirs}"
    parts = ["ids equal" if np.array_equal(ours["ids"], theirs["ids"]) else "ids DIFFER"]
    for name in ARRAYS:
        if name not in theirs or name not in ours:
            continue
        a, b = ours[name], theirs[name]
        if a.shape != b.shape:
            parts.append(f"{name} {list(a.shape)} and {list(b.shape)}")
        elif not np.isfinite(b).all():
            rows = ~np.isfinite(b).reshape(len(b), -1).all(axis=1)
            parts.append(f"{name} NaN in {int(rows.sum())} of {len(b)} rows there")
        else:
            cosine = f" (cosine {least_cosine(a, b):.4f})" if name == "text_embeds" else ""
            parts.append(f"{name} {np.abs(a - b).max():.1e}{cosine}")
    return ", ".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", help="an interpreter that has mlx-embeddings")
    parser.add_argument("folders", nargs="*", default=[str(ROOT / "tests" / "fixtures" / name) for name in FOLDERS]
                        + [str(ROOT / "build" / "models" / "all-MiniLM-L6-v2")])  # fmt: skip
    parser.add_argument("--run", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        run_package(*json.loads(args.run))
        return
    if not args.peer:
        parser.error("--peer is wanted")
    with tempfile.TemporaryDirectory() as scratch:
        for folder in args.folders:
            for side in ("right", "left"):
                ours = outcome(sys.executable, [str(TREE / "python")], folder, side, pathlib.Path(scratch) / "a.npz")
                theirs = outcome(args.peer, [], folder, side, pathlib.Path(scratch) / "b.npz")
                print(f"{pathlib.Path(folder).name}, padded on the {side}: {compare(ours, theirs)}", flush=True)


if __name__ == "__main__":
    main()
