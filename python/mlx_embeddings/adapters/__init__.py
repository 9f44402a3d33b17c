# Adapters to frameworks, one module for each; a module imports its framework, so none is imported from here.
"""`langchain`, `llama_index`, `haystack`, `chroma`, `mteb`, `sklearn`: import the one that you use."""

from __future__ import annotations

import os
from typing import Any

from ..embedder import Embedder


def to_embedder(model: str | os.PathLike[str] | Embedder, options: dict[str, Any]) -> Embedder:
    """The embedder itself, or the model of that name."""
    if isinstance(model, Embedder):
        if options:
            raise ValueError(f"options {', '.join(options)} were given beside a model that is loaded already")
        return model
    return Embedder(model, **options)
