# Chroma: an embedding function that a collection can remember.
"""`pip install mlx-embeddings[chroma]`."""

from __future__ import annotations

from typing import Any

from chromadb.api.types import Documents, EmbeddingFunction, Embeddings, Space
from chromadb.utils.embedding_functions import register_embedding_function

from . import to_embedder


@register_embedding_function
class MLXEmbeddingFunction(EmbeddingFunction[Documents]):
    """Vectors for Chroma. Documents and queries get the prompts that the model has for them.

    :param model: a folder or a name
    :param options: of `Embedder`
    """

    def __init__(self, model: str, **options: Any):
        self.model = model
        self.options = options
        self._embedder = to_embedder(model, options)

    def __call__(self, input: Documents) -> Embeddings:  # noqa: A002, the framework's name
        return list(self._embedder.encode_document(input))

    def embed_query(self, input: Documents) -> Embeddings:  # noqa: A002
        return list(self._embedder.encode_query(input))

    @staticmethod
    def name() -> str:
        return "mlx_embeddings"

    def default_space(self) -> Space:
        return "cosine"

    def supported_spaces(self) -> list[Space]:
        return ["cosine", "l2", "ip"]

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> MLXEmbeddingFunction:
        return MLXEmbeddingFunction(config["model"], **config.get("options", {}))

    def get_config(self) -> dict[str, Any]:
        return {"model": self.model, "options": self.options}

    def validate_config_update(self, old_config: dict[str, Any], new_config: dict[str, Any]) -> None:
        if old_config.get("model") != new_config.get("model"):
            raise ValueError("the model of a collection cannot be changed: its vectors would not fit the new ones")
