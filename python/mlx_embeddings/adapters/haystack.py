# Haystack: embedders of texts and of documents, and a ranker.
"""`pip install mlx-embeddings[haystack]`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from haystack import Document, component, default_from_dict, default_to_dict

from ..embedder import Embedder


class _Loaded:
    """What all three have: settings that a pipeline can write down, and a model that is loaded at warm-up."""

    def __init__(self, model: str, encode_options: dict[str, Any] | None, options: dict[str, Any] | None):
        self.model = model
        self.encode_options = dict(encode_options or {})
        self.options = dict(options or {})
        self._embedder: Embedder | None = None

    def warm_up(self) -> None:
        """Loads the model; a run does it too, if need be."""
        if self._embedder is None:
            self._embedder = Embedder(self.model, **self.options)

    @property
    def embedder(self) -> Embedder:
        self.warm_up()
        assert self._embedder is not None
        return self._embedder

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Any:
        return default_from_dict(cls, data)


@component
class MLXTextEmbedder(_Loaded):
    """The vector of a query."""

    def __init__(
        self, model: str, encode_options: dict[str, Any] | None = None, options: dict[str, Any] | None = None
    ):
        _Loaded.__init__(self, model, encode_options, options)

    def to_dict(self) -> dict[str, Any]:
        return default_to_dict(self, model=self.model, encode_options=self.encode_options, options=self.options)

    @component.output_types(embedding=list[float])
    def run(self, text: str) -> dict[str, Any]:
        if not isinstance(text, str):
            raise TypeError(f"text is {type(text).__name__}, wanted str; MLXDocumentEmbedder takes documents")
        return {"embedding": self.embedder.encode_query(text, **self.encode_options).tolist()}


@component
class MLXDocumentEmbedder(_Loaded):
    """Documents with their vectors."""

    def __init__(
        self,
        model: str,
        encode_options: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
        meta_fields_to_embed: list[str] | None = None,
        embedding_separator: str = "\n",
    ):
        _Loaded.__init__(self, model, encode_options, options)
        self.meta_fields_to_embed = list(meta_fields_to_embed or [])
        self.embedding_separator = embedding_separator

    def to_dict(self) -> dict[str, Any]:
        return default_to_dict(
            self,
            model=self.model,
            encode_options=self.encode_options,
            options=self.options,
            meta_fields_to_embed=self.meta_fields_to_embed,
            embedding_separator=self.embedding_separator,
        )

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]) -> dict[str, Any]:
        if not isinstance(documents, list) or not all(isinstance(document, Document) for document in documents):
            raise TypeError("documents are no list of Document; MLXTextEmbedder takes a str")
        texts = [self._text(document) for document in documents]
        vectors = self.embedder.encode_document(texts, **self.encode_options).tolist()
        return {"documents": [replace(d, embedding=vector) for d, vector in zip(documents, vectors)]}

    def _text(self, document: Document) -> str:
        fields = [str(document.meta[key]) for key in self.meta_fields_to_embed if document.meta.get(key) is not None]
        return self.embedding_separator.join([*fields, document.content or ""])


@component
class MLXRanker(_Loaded):
    """The documents that answer the query best, with their scores."""

    def __init__(self, model: str, top_k: int = 10, options: dict[str, Any] | None = None):
        _Loaded.__init__(self, model, None, options)
        self.top_k = top_k

    def to_dict(self) -> dict[str, Any]:
        return default_to_dict(self, model=self.model, top_k=self.top_k, options=self.options)

    @component.output_types(documents=list[Document])
    def run(self, query: str, documents: list[Document], top_k: int | None = None) -> dict[str, Any]:
        texts = [document.content or "" for document in documents]
        ranked = self.embedder.rank(query, texts, top_k=top_k if top_k is not None else self.top_k)
        return {"documents": [replace(documents[entry["corpus_id"]], score=entry["score"]) for entry in ranked]}
