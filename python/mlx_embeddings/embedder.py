# Embedder: the calls of sentence-transformers on the engine.
"""`Embedder`: texts in, numpy arrays out."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ._core import Engine
from .arrays import to_framework
from .progress import progress_bar
from .similarity import SIMILARITIES, maxsim, quantize_embeddings, similarity, similarity_pairwise
from .tokenizer import Tokenizer, read_json

# Arguments of sentence-transformers that have no meaning here: the engine chooses its device when it loads.
_WITHOUT_MEANING = ("device", "pool", "chunk_size")
OUTPUT_VALUES = ("sentence_embedding", "token_embeddings", None)


@dataclasses.dataclass(frozen=True)
class Report:
    """What happened to each text of a call."""

    tokens: np.ndarray
    """[texts]: tokens that went through the model, special ones included"""
    tokens_in_text: np.ndarray
    """[texts]: tokens that the whole text has"""

    @property
    def truncated(self) -> np.ndarray:
        """[texts]: whether the text's end was cut off"""
        return self.tokens < self.tokens_in_text

    @property
    def num_truncated(self) -> int:
        return int(self.truncated.sum())

    @staticmethod
    def of(reports: np.ndarray) -> Report:
        return Report(reports[:, 0], reports[:, 1])


class Embedder:
    """An embedding model with the calls of sentence-transformers' SentenceTransformer, SparseEncoder and CrossEncoder.

        embedder = Embedder("all-MiniLM-L6-v2")
        vectors = embedder.encode(["a cat", "a dog"])
        embedder.similarity(vectors, vectors)

    It may be used from many threads at once. A vector depends on its own text alone, in any batch and any order.
    """

    def __init__(
        self,
        model_name_or_path: str | os.PathLike[str] | Engine,
        *,
        task: str = "auto",
        device: str = "auto",
        precision: str = "auto",
        threads: int = 0,
        pooling: str | None = None,
        adapter: str | None = None,
        truncate_dim: int | None = None,
        prompts: dict[str, str] | None = None,
        default_prompt_name: str | None = None,
        similarity_fn_name: str | None = None,
        revision: str | None = None,
        local_files_only: bool = False,
    ):
        """
        :param model_name_or_path: a folder, a GGUF file, a name (downloaded if need be), or an `Engine` that is loaded already
        :param task: which head to load: "auto", "embed", "multi-vector", "sparse", "rerank", "classify", ...
        :param precision: of the arithmetic: "auto", "fp32", "bf16", "int8"
        :param threads: 0: as many as the process may use
        :param truncate_dim: keep the first dimensions (Matryoshka) unless a call says otherwise
        :param revision: a branch, tag or commit of a model that is named
        :param local_files_only: never download
        :param prompts: texts by name, beside those of the model
        """
        if isinstance(model_name_or_path, Engine):
            self.engine = model_name_or_path
        else:
            self.engine = Engine.load(
                os.fspath(model_name_or_path), task=task, device=device, precision=precision, threads=threads,
                pooling=pooling, adapter=adapter, revision=revision, offline=local_files_only,
            )  # fmt: skip
        self.prompts = dict(prompts or {})
        self.default_prompt_name = default_prompt_name
        self.truncate_dim = truncate_dim
        declared = read_json(pathlib.Path(self.engine.info.path) / "config_sentence_transformers.json")
        name = similarity_fn_name or declared.get("similarity_fn_name") or "cosine"
        if name not in SIMILARITIES + ("maxsim",):
            raise ValueError(f"similarity_fn_name is {name!r}, wanted one of {', '.join(map(repr, SIMILARITIES))}")
        self.similarity_fn_name: str = name
        self._tokenizer: Tokenizer | None = None

    # What is loaded.

    @property
    def info(self) -> Any:
        """What is loaded, and which file or option decided each choice."""
        return self.engine.info

    @property
    def tokenizer(self) -> Tokenizer:
        if self._tokenizer is None:
            self._tokenizer = Tokenizer(self.engine)
        return self._tokenizer

    @property
    def max_seq_length(self) -> int:
        return self.engine.info.max_length

    @property
    def is_late_interaction(self) -> bool:
        return self.engine.info.task == "multi-vector"

    @property
    def is_sparse(self) -> bool:
        return self.engine.info.task == "sparse"

    def get_embedding_dimension(self) -> int:
        """The number of dimensions of what `encode` gives."""
        return self.truncate_dim or self.engine.info.embedding_dim

    get_sentence_embedding_dimension = get_embedding_dimension

    def __repr__(self) -> str:
        info = self.engine.info
        return f"Embedder({info.path!r}, task={info.task!r}, dimensions={info.embedding_dim})"

    # Vectors.

    def encode(
        self,
        sentences: str | Iterable[str],
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int | None = None,
        show_progress_bar: bool | None = None,
        output_value: str | None = "sentence_embedding",
        precision: str = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        *,
        role: str = "none",
        max_length: int | None = None,
        on_overflow: str = "truncate",
        return_report: bool = False,
        **ignored: Any,
    ) -> Any:
        """The vectors of the sentences: an array [sentences, dimensions], and of a single str an array [dimensions].

        Late interaction gives an array [tokens, dimensions] for each sentence, a sparse model a
        `scipy.sparse.csr_array` [sentences, words] (without scipy, a list of (ids, weights)).

        :param batch_size: accepted; the engine packs sentences by their tokens, and no vector depends on it
        :param normalize_embeddings: unit vectors even if the checkpoint does not ask for them
        :param output_value: "token_embeddings" gives the last hidden states of each sentence's tokens, None everything
        :param precision: "int8", "uint8", "binary" or "ubinary" for vectors of fewer bits
        :param on_overflow: "error" refuses a sentence of more than `max_length` tokens, "truncate" cuts it
        :param return_report: a `Report` comes second, and says which sentences were cut
        """
        if output_value not in OUTPUT_VALUES:
            raise ValueError(f"output_value is {output_value!r}, wanted 'sentence_embedding', 'token_embeddings' or None")
        if unknown := [name for name in ignored if name not in _WITHOUT_MEANING]:
            raise TypeError(f"encode has no argument {unknown[0]!r}")
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}, wanted 1 at least")
        texts, is_one = as_texts(sentences)
        options: dict[str, Any] = {
            "role": role,
            "max_length": max_length,
            "on_overflow": on_overflow,
            **self._prompt(prompt_name, prompt, role),
        }
        with progress_bar(len(texts), show_progress_bar) as on_progress:
            found, reports = self._run(texts, output_value, normalize_embeddings, truncate_dim, on_progress, options)
        if precision != "float32":
            if not isinstance(found, np.ndarray):
                raise ValueError(f"the precision is {precision!r}, which is for one vector a sentence")
            found = quantize_embeddings(found, precision)
        if convert_to_tensor:
            found = _tensors(found)
        elif not convert_to_numpy and isinstance(found, np.ndarray):
            found = list(found)
        result = found[0] if is_one and output_value is not None else found
        result = result[0] if is_one and output_value is None else result
        return (result, Report.of(reports)) if return_report else result

    def encode_query(self, sentences: str | Iterable[str], **options: Any) -> Any:
        """`encode` of what is searched with: with the model's prompt for queries, if it has one."""
        return self.encode(sentences, **{"role": "query", **options})

    def encode_document(self, sentences: str | Iterable[str], **options: Any) -> Any:
        """`encode` of what is searched in: with the model's prompt for documents, if it has one."""
        return self.encode(sentences, **{"role": "document", **options})

    def encode_all(self, sentences: str | Iterable[str], **options: Any) -> dict[str, Any]:
        """Dense, lexical and multi-vector embeddings of one forward (BGE-M3): `dense`, `lexical`, `multi_vector`."""
        texts, _ = as_texts(sentences)
        (dense, _), lexical, multi = self.engine.embed_all(texts, **options)
        return {
            "dense": dense,
            "lexical": [dict(zip(ids.tolist(), weights.tolist())) for ids, weights, _ in lexical],
            "multi_vector": [vectors for _, vectors, _ in multi],
        }

    def stream(self, sentences: Iterable[str], window: int = 2048, **options: Any) -> Iterator[Any]:
        """The vector of each sentence of an iterable that may have no end; `window` of them are in memory at once.

        :param options: as `encode` takes them
        """
        if window < 1:
            raise ValueError(f"window is {window}, wanted 1 at least")
        if isinstance(sentences, (str, bytes)):
            raise TypeError(f"sentences is {type(sentences).__name__}, wanted an iterable of str")
        return self._stream(iter(sentences), window, options)

    def _stream(self, sentences: Iterator[str], window: int, options: dict[str, Any]) -> Iterator[Any]:
        texts: list[str] = []
        for sentence in sentences:
            texts.append(sentence)
            if len(texts) == window:
                yield from self.encode(texts, **options)
                texts = []
        if texts:
            yield from self.encode(texts, **options)

    async def aencode(self, sentences: str | Iterable[str], **options: Any) -> Any:
        """`encode` that an event loop does not wait for."""
        return await asyncio.to_thread(self.encode, sentences, **options)

    async def aencode_query(self, sentences: str | Iterable[str], **options: Any) -> Any:
        return await asyncio.to_thread(self.encode_query, sentences, **options)

    async def aencode_document(self, sentences: str | Iterable[str], **options: Any) -> Any:
        return await asyncio.to_thread(self.encode_document, sentences, **options)

    # Comparisons.

    def similarity(self, left: Any, right: Any) -> np.ndarray:
        """[a, b]: how alike each vector of `left` is to each of `right`, by the model's own function."""
        if self.is_late_interaction:
            return maxsim(_token_lists(left), _token_lists(right))
        if self.is_sparse and hasattr(left, "tocsr"):
            return np.asarray((left @ right.T).todense())
        return similarity(left, right, self.similarity_fn_name)

    def similarity_pairwise(self, left: Any, right: Any) -> np.ndarray:
        """[n]: how alike the vectors of `left` are to those of `right`, one by one."""
        if self.is_late_interaction:
            return np.array([maxsim([a], [b])[0, 0] for a, b in zip(left, right, strict=True)], dtype=np.float32)
        return similarity_pairwise(left, right, self.similarity_fn_name)

    def rank(
        self,
        query: str,
        documents: Sequence[str],
        top_k: int | None = None,
        return_documents: bool = False,
        *,
        instruction: str | None = None,
        raw: bool = False,
        **options: Any,
    ) -> list[dict[str, Any]]:
        """The documents as `corpus_id` and `score`, the most relevant first.

        A reranker reads each with the query; a model of vectors compares those, by its own function.
        """
        texts, is_one = as_texts(documents)
        if is_one or not isinstance(query, str):
            raise TypeError("rank wants a query that is str and a list of documents")
        if self.engine.info.task in ("rerank", "multi-vector", "classify"):
            found = self.engine.rerank(query, texts, top_k=top_k, instruction=instruction, raw=raw, **options)
            ranked = [(index, score) for index, score, _ in found]
        else:
            scores = self.similarity(self.encode_query([query], **options), self.encode_document(texts, **options))[0]
            order = np.argsort(-scores, kind="stable")[:top_k]
            ranked = [(int(index), float(scores[index])) for index in order]
        return [
            {"corpus_id": index, "score": score, **({"text": texts[index]} if return_documents else {})}
            for index, score in ranked
        ]

    def predict(self, sentences: Sequence[Any], *, instruction: str | None = None, raw: bool = False, **options: Any):
        """CrossEncoder's `predict`: a score for each (query, document), or a row of them for each label."""
        is_one = len(sentences) == 2 and all(isinstance(text, str) for text in sentences)
        pairs = [tuple(sentences)] if is_one else [tuple(pair) for pair in sentences]
        if len(self.engine.info.labels) > 1:
            scores = self.engine.classify_pairs(pairs, raw=raw, **options)[0]
        else:
            scores = self.engine.score_pairs(pairs, instruction=instruction, raw=raw, **options)[0]
        return scores[0] if is_one else scores

    # The parts of encode.

    def _prompt(self, name: str | None, prompt: str | None, role: str) -> dict[str, str]:
        if prompt is not None:
            return {"prompt": prompt}
        if name is None and role in self.prompts:
            return {"prompt": self.prompts[role]}
        if name is None and role == "none":
            name = self.default_prompt_name
        if name is None:
            return {}
        return {"prompt": self.prompts[name]} if name in self.prompts else {"prompt_name": name}

    def _run(
        self,
        texts: list[str],
        output_value: str | None,
        normalize: bool,
        truncate_dim: int | None,
        on_progress: Callable[..., None] | None,
        options: dict[str, Any],
    ) -> tuple[Any, np.ndarray]:
        options["on_progress"] = on_progress
        if self.is_sparse:
            rows = self.engine.sparse(texts, **options)
            return _sparse(rows, self.tokenizer.vocab_size), _reports(rows)
        options["normalize"] = "always" if normalize else "declared"
        options["dimensions"] = truncate_dim or self.truncate_dim
        if self.is_late_interaction:
            rows = self.engine.multi_vector(texts, **options)
            return [vectors for _, vectors, _ in rows], _reports(rows)
        if output_value == "sentence_embedding":
            return self.engine.embed(texts, **options)
        tokens = self.engine.token_embeddings(texts, **{**options, "dimensions": None, "normalize": "always"})
        if output_value == "token_embeddings":
            return [vectors for _, vectors, _ in tokens], _reports(tokens)
        dense, reports = self.engine.embed(texts, **options)
        everything = [
            {"sentence_embedding": vector, "token_embeddings": vectors, "input_ids": ids}
            for vector, (ids, vectors, _) in zip(dense, tokens)
        ]
        return everything, reports


def as_texts(sentences: Any) -> tuple[list[str], bool]:
    """A list, and whether it was a single str."""
    if isinstance(sentences, str):
        return [sentences], True
    if sentences is None or isinstance(sentences, (bytes, dict)) or not isinstance(sentences, Iterable):
        raise TypeError(f"sentences is {type(sentences).__name__}, wanted str or an iterable of str")
    return sentences if isinstance(sentences, list) else list(sentences), False


def _reports(rows: list[tuple[Any, Any, Any]]) -> np.ndarray:
    return np.concatenate([report for _, _, report in rows]) if rows else np.zeros((0, 2), dtype=np.int32)


def _sparse(rows: list[tuple[Any, Any, Any]], width: int) -> Any:
    try:
        from scipy.sparse import csr_array
    except ImportError:
        return [(ids, weights) for ids, weights, _ in rows]
    ids = np.concatenate([row[0] for row in rows]) if rows else np.zeros(0, np.int32)
    weights = np.concatenate([row[1] for row in rows]) if rows else np.zeros(0, np.float32)
    ends = np.cumsum([0, *(len(row[0]) for row in rows)])
    return csr_array((weights, ids, ends), shape=(len(rows), width))


def _tensors(found: Any) -> Any:
    return [to_framework(item, "pt") for item in found] if isinstance(found, list) else to_framework(found, "pt")


def _token_lists(vectors: Any) -> list[Any]:
    return [vectors] if isinstance(vectors, np.ndarray) and vectors.ndim == 2 else list(vectors)
