# What calls are given: texts in whatever holds them, and the size of batches.
"""Arguments that several calls share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def as_texts(sentences: Any) -> tuple[list[str], bool]:
    """A list, and whether it was a single str. What the items are is the engine's to check.

    :raises TypeError: for what holds no texts: None, bytes, a dictionary, a number
    """
    if isinstance(sentences, str):
        return [sentences], True
    if sentences is None or isinstance(sentences, (bytes, dict)) or not isinstance(sentences, Iterable):
        raise TypeError(f"sentences is {type(sentences).__name__}, wanted str or an iterable of str")
    return sentences if isinstance(sentences, list) else list(sentences), False


def check_batch_size(batch_size: int | None) -> None:
    """The engine packs texts by their tokens; a size that is none is refused all the same."""
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}, wanted 1 at least")
