# LangChain: Embeddings, and a document compressor that reranks.
"""`pip install mlx-embeddings[langchain]`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.embeddings import Embeddings
from pydantic import ConfigDict, PrivateAttr

from ..embedder import Embedder
from . import to_embedder


class MLXEmbeddings(Embeddings):
    """Vectors for LangChain. Documents and queries get the prompts that the model has for them.

    :param model: a folder, a name, or an `Embedder`
    :param encode_options: of every `encode`: truncate_dim, normalize_embeddings, prompt_name, ...
    :param options: of `Embedder`
    """

    def __init__(self, model: str | Embedder, *, encode_options: dict[str, Any] | None = None, **options: Any):
        self.embedder = to_embedder(model, options)
        self.encode_options = dict(encode_options or {})

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.embedder.encode_document(texts, **self.encode_options).tolist()

    def embed_query(self, text: str) -> list[float]:
        return self.embedder.encode_query(text, **self.encode_options).tolist()

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self.embed_documents, texts)

    async def aembed_query(self, text: str) -> list[float]:
        return await asyncio.to_thread(self.embed_query, text)


class MLXReranker(BaseDocumentCompressor):
    """Keeps the `top_n` documents that answer the query best; each has its `relevance_score` in the metadata."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    model: Any
    top_n: int | None = 3
    instruction: str | None = None
    options: dict[str, Any] = {}
    _embedder: Embedder = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        self._embedder = to_embedder(self.model, self.options)

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        texts = [document.page_content for document in documents]
        ranked = self._embedder.rank(query, texts, top_k=self.top_n, instruction=self.instruction)
        return [
            Document(
                page_content=documents[entry["corpus_id"]].page_content,
                metadata={**documents[entry["corpus_id"]].metadata, "relevance_score": entry["score"]},
            )
            for entry in ranked
        ]
