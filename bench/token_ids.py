"""Sequences of token ids as texts, for models that come without a tokenizer: one word for each id."""

import json
from pathlib import Path


def readable(model: Path, folder: Path) -> Path:
    """The model's folder, or with_words of one that has no tokenizer."""
    lacks_tokenizer = (model / "config.json").exists() and not (model / "tokenizer.json").exists()
    return with_words(model, folder) if lacks_tokenizer else model


def with_words(model: Path, folder: Path) -> Path:
    """A copy of the model's folder, by links, with a tokenizer that reads the word t17 as token 17."""
    copy = folder / model.name
    copy.mkdir()
    for path in model.iterdir():
        (copy / path.name).symlink_to(path.resolve())
    size = json.loads((model / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    words = {f"t{token}": token for token in range(size)}
    (copy / "tokenizer.json").write_text(
        json.dumps({
            "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
            "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": None, "decoder": None,
            "model": {"type": "WordLevel", "vocab": words, "unk_token": "t0"},
        }),
        encoding="utf-8",
    )  # fmt: skip
    return copy


def as_texts(ids: Path, folder: Path) -> Path:
    """The lines of a .jsonl file, each an array of token ids, as lines of words."""
    lines = [json.loads(line) for line in ids.read_text(encoding="utf-8").splitlines()]
    texts = folder / f"{ids.stem}.txt"
    texts.write_text("".join(" ".join(f"t{token}" for token in line) + "\n" for line in lines), encoding="utf-8")
    return texts
