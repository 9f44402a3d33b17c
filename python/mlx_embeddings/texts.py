# What calls are given: texts in whatever holds them, and the size of batches.
"""Arguments that several calls share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any


def expect_iterable(given: Any, name: str, wanted: str) -> None:
    """:raises TypeError: for what holds no texts: None, bytes, a dictionary, a number"""
    if isinstance(given, (bytes, dict)) or not isinstance(given, Iterable):
        raise TypeError(f"{name} is {type(given).__name__}, wanted {wanted}")


def as_texts(sentences: Any, name: str = "sentences") -> tuple[list[str], bool]:
    """A list, and whether it was a single str. What the items are is the engine's to check.

    :raises TypeError: for what holds no texts
    """
    if isinstance(sentences, str):
        return [sentences], True
    expect_iterable(sentences, name, "str or an iterable of str")
    return sentences if isinstance(sentences, list) else list(sentences), False


def check_batch_size(batch_size: int | None) -> None:
    """The engine packs texts by their tokens; a size that is none is refused all the same."""
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}, wanted 1 at least")


def windows(sentences: Iterable[str], size: int) -> Iterator[list[str]]:
    """`size` of them at a time, and what is left at the end."""
    texts: list[str] = []
    for sentence in sentences:
        texts.append(sentence)
        if len(texts) == size:
            yield texts
            texts = []
    if texts:
        yield texts
