# LlamaIndex: an embedding model, and a node postprocessor that reranks.
"""`pip install mlx-embeddings[llamaindex]`."""

from __future__ import annotations

import asyncio
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle

from ..embedder import Embedder
from . import to_embedder


class MLXEmbedding(BaseEmbedding):
    """Vectors for LlamaIndex. Texts and queries get the prompts that the model has for them.

    :param model: a folder, a name, or an `Embedder`
    :param encode_options: of every `encode`
    :param options: of `Embedder`
    """

    encode_options: dict[str, Any] = {}
    _embedder: Embedder = PrivateAttr()

    def __init__(
        self,
        model: str | Embedder,
        *,
        encode_options: dict[str, Any] | None = None,
        embed_batch_size: int = 512,
        **options: Any,
    ):
        embedder = to_embedder(model, options)
        super().__init__(
            model_name=embedder.info.path, embed_batch_size=embed_batch_size, encode_options=dict(encode_options or {})
        )
        self._embedder = embedder

    @classmethod
    def class_name(cls) -> str:
        return "MLXEmbedding"

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._embedder.encode_query(query, **self.encode_options).tolist()

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._embedder.encode_document(text, **self.encode_options).tolist()

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._embedder.encode_document(texts, **self.encode_options).tolist()

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)


class MLXRerank(BaseNodePostprocessor):
    """Keeps the `top_n` nodes that answer the query best, with its scores."""

    top_n: int = 3
    instruction: str | None = None
    _embedder: Embedder = PrivateAttr()

    def __init__(self, model: str | Embedder, *, top_n: int = 3, instruction: str | None = None, **options: Any):
        super().__init__(top_n=top_n, instruction=instruction)
        self._embedder = to_embedder(model, options)

    @classmethod
    def class_name(cls) -> str:
        return "MLXRerank"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if query_bundle is None:
            raise ValueError("reranking wants a query")
        texts = [node.node.get_content(metadata_mode=MetadataMode.EMBED) for node in nodes]
        ranked = self._embedder.rank(
            query_bundle.query_str, texts, top_k=self.top_n, instruction=self.instruction
        )
        return [NodeWithScore(node=nodes[entry["corpus_id"]].node, score=entry["score"]) for entry in ranked]
