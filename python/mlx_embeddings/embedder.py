# Embedder: the calls of sentence-transformers on the engine.
"""`Embedder`: texts in, numpy arrays out."""

from __future__ import annotations

import asyncio
import os
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from . import sparse
from ._core import Engine, ModelInfo
from .arrays import to_tensors
from .progress import progress_bar
from .report import Report, split
from .similarity import SIMILARITIES, maxsim, quantize_embeddings, similarity, similarity_pairwise, token_lists
from .texts import as_texts, check_batch_size, expect_iterable, windows
from .tokenizer import Tokenizer, read_json

# Arguments of sentence-transformers that have no meaning here: the engine chooses its device when it loads.
_WITHOUT_MEANING = ("device", "pool", "chunk_size")
OUTPUT_VALUES = ("sentence_embedding", "token_embeddings", None)


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
        trust_remote_code: bool = False,
    ):
        """
        :param model_name_or_path: a folder, a GGUF file, a name (downloaded if need be), or an `Engine` that is loaded already
        :param task: which head to load: "auto", "embed", "multi-vector", "sparse", "rerank", "classify", ...
        :param precision: of the arithmetic: "auto", "fp32", "bf16", "int16", "int8"
        :param threads: 0: as many as the process may use
        :param truncate_dim: keep the first dimensions (Matryoshka) unless a call says otherwise
        :param revision: a branch, tag or commit of a model that is named
        :param local_files_only: never download
        :param trust_remote_code: accepted; no code of a repository is ever run
        :param prompts: texts by name, beside those of the model
        """
        del trust_remote_code
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
        by_task = {"multi-vector": "maxsim", "sparse": "dot"}.get(self.engine.info.task, "cosine")
        name = similarity_fn_name or declared.get("similarity_fn_name") or by_task
        if name not in SIMILARITIES + ("maxsim",):
            raise ValueError(f"similarity_fn_name is {name!r}, wanted one of {', '.join(map(repr, SIMILARITIES))}")
        self.similarity_fn_name: str = name
        self._tokenizer: Tokenizer | None = None
        self._max_length: int | None = None

    # What is loaded.

    @property
    def info(self) -> ModelInfo:
        """What is loaded, and which file or option decided each choice."""
        return self.engine.info

    @property
    def tokenizer(self) -> Tokenizer:
        if self._tokenizer is None:
            self._tokenizer = Tokenizer(self.engine)
        return self._tokenizer

    @property
    def max_seq_length(self) -> int:
        """The most tokens of a text; set it to cut texts elsewhere, at the model's positions at most."""
        return self.engine.info.max_length if self._max_length is None else self._max_length

    @max_seq_length.setter
    def max_seq_length(self, tokens: int) -> None:
        limit = self.engine.info.max_positions
        if not 1 <= tokens <= limit:
            raise ValueError(f"max_seq_length is {tokens}, wanted 1 to {limit} (the model's positions)")
        self._max_length = tokens

    @property
    def is_late_interaction(self) -> bool:
        return self.engine.info.task == "multi-vector"

    @property
    def is_sparse(self) -> bool:
        return self.engine.info.task == "sparse"

    def get_embedding_dimension(self) -> int:
        """The number of dimensions of what `encode` gives; of a sparse model, the number of words."""
        return self.tokenizer.vocab_size if self.is_sparse else self.truncate_dim or self.engine.info.embedding_dim

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
        max_active_dims: int | None = None,
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
        :param role: "query" or "document" takes the model's prompt for these, as `encode_query` and `encode_document` do
        :param max_active_dims: of a sparse vector, keep so many of the largest weights
        :param on_overflow: "error" refuses a sentence of more than `max_length` tokens, "truncate" cuts it
        :param return_report: a `Report` comes second, and says which sentences were cut
        """
        if output_value not in OUTPUT_VALUES:
            raise ValueError(f"output_value is {output_value!r}, wanted 'sentence_embedding', 'token_embeddings' or None")
        if unknown := [name for name in ignored if name not in _WITHOUT_MEANING]:
            raise TypeError(f"encode has no argument {unknown[0]!r}")
        check_batch_size(batch_size)
        if max_active_dims is not None and not self.is_sparse:
            raise ValueError("max_active_dims is for sparse models; truncate_dim cuts vectors")
        texts, is_one = as_texts(sentences)
        options: dict[str, Any] = {
            "role": role,
            "max_length": self._max_length if max_length is None else max_length,
            "on_overflow": on_overflow,
            **self._prompt(prompt_name, prompt, role),
        }
        with progress_bar(len(texts), show_progress_bar) as on_progress:
            options["on_progress"] = on_progress
            found: Any
            if output_value is None:
                found, reports = self._everything(texts, normalize_embeddings, truncate_dim, options)
            elif output_value == "token_embeddings":
                found, reports = split(self.engine.token_embeddings(texts, **options))
            elif self.is_sparse:
                if normalize_embeddings or truncate_dim is not None:
                    raise ValueError("sparse vectors are neither normalised nor cut; max_active_dims keeps the largest")
                rows = self.engine.sparse(texts, max_active=max_active_dims, **options)
                make = sparse.to_tensor if convert_to_tensor else sparse.to_matrix
                found, reports = make(rows, self.tokenizer.vocab_size), split(rows)[1]
            else:
                found, reports = self._vectors(texts, normalize_embeddings, truncate_dim, options)
        if precision != "float32":
            if not isinstance(found, np.ndarray):
                raise ValueError(f"the precision is {precision!r}, which is for one vector a sentence")
            found = quantize_embeddings(found, precision)
        if convert_to_tensor:
            found = to_tensors(found)
        elif not convert_to_numpy and isinstance(found, np.ndarray):
            found = list(found)
        result = found[0] if is_one else found
        return (result, Report.of(reports)) if return_report else result

    def encode_query(self, sentences: str | Iterable[str], **options: Any) -> Any:
        """`encode` of what is searched with: with the model's prompt for queries, if it has one."""
        return self.encode(sentences, **{"role": "query", **options})

    def encode_document(self, sentences: str | Iterable[str], **options: Any) -> Any:
        """`encode` of what is searched in: with the model's prompt for documents, if it has one."""
        return self.encode(sentences, **{"role": "document", **options})

    def encode_all(self, sentences: str | Iterable[str], **options: Any) -> dict[str, Any]:
        """Dense, lexical and multi-vector embeddings of one forward (BGE-M3).

        `dense` is an array [sentences, dimensions], `lexical` a dictionary from ids of tokens to weights for each
        sentence, `multi_vector` an array [tokens, dimensions] for each; of a single str they are its own.

        :param options: as `Engine.embed_all` takes them
        """
        texts, is_one = as_texts(sentences)
        (dense, _), lexical, multi = self.engine.embed_all(texts, **options)
        found: dict[str, Any] = {
            "dense": dense,
            "lexical": [dict(zip(ids.tolist(), weights.tolist())) for ids, weights, _ in lexical],
            "multi_vector": [vectors for _, vectors, _ in multi],
        }
        return {name: values[0] for name, values in found.items() if len(values)} if is_one else found

    def stream(self, sentences: Iterable[str], window: int = 2048, **options: Any) -> Iterator[Any]:
        """The vector of each sentence of an iterable that may have no end; `window` of them are in memory at once.

        :param options: as `encode` takes them
        """
        if window < 1:
            raise ValueError(f"window is {window}, wanted 1 at least")
        if isinstance(sentences, str):
            raise TypeError("sentences is str, wanted an iterable of str")
        expect_iterable(sentences, "sentences", "an iterable of str")
        if options.get("return_report"):
            raise ValueError("a stream gives vectors one by one and has no report; encode has")
        return (vector for texts in windows(sentences, window) for vector in self.encode(texts, **options))

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
            return maxsim(token_lists(left), token_lists(right))
        if self.is_sparse:
            return sparse.dot(left, right)
        return similarity(left, right, self.similarity_fn_name)

    def similarity_pairwise(self, left: Any, right: Any) -> np.ndarray:
        """[n]: how alike the vectors of `left` are to those of `right`, one by one."""
        if self.is_late_interaction:
            return np.array([maxsim([a], [b])[0, 0] for a, b in zip(left, right, strict=True)], dtype=np.float32)
        if self.is_sparse:
            return sparse.dot_pairwise(left, right)
        return similarity_pairwise(left, right, self.similarity_fn_name)

    def rank(
        self,
        query: str,
        documents: Iterable[str],
        top_k: int | None = None,
        return_documents: bool = False,
        batch_size: int | None = None,
        show_progress_bar: bool | None = None,
        *,
        instruction: str | None = None,
        raw: bool = False,
        **options: Any,
    ) -> list[dict[str, Any]]:
        """The documents as `corpus_id` and `score`, the most relevant first.

        A reranker reads each with the query; a model of vectors compares those, by its own function.

        :param top_k: only the best ones
        :param return_documents: each document's `text` too
        :param batch_size: accepted, as `encode` does
        :param instruction: what "relevant" means, for rerankers that are told
        :param raw: a reranker's logits in place of the scores that its checkpoint declares
        :param options: max_length, on_overflow
        """
        check_batch_size(batch_size)
        if top_k is not None and top_k < 0:
            raise ValueError(f"top_k is {top_k}, wanted 0 at least")
        options = {"max_length": self._max_length, **options}
        texts, is_one = as_texts(documents, "documents")
        if is_one or not isinstance(query, str):
            raise TypeError("rank wants a query that is str and a list of documents")
        if self.engine.info.task in ("rerank", "multi-vector", "classify"):
            with progress_bar(len(texts), show_progress_bar) as on_progress:
                found = self.engine.rerank(
                    query, texts, top_k=top_k, instruction=instruction, raw=raw, on_progress=on_progress, **options
                )
            ranked = [(index, score) for index, score, _ in found]
        elif instruction is not None or raw:
            raise ValueError("an instruction and raw scores are for rerankers; this model compares vectors")
        else:
            vectors = self.encode_document(texts, show_progress_bar=show_progress_bar, **options)
            asked = self.encode_query([query], **options)
            if self.is_sparse:
                scores = self.similarity(asked, vectors)[0]
            else:  # one by one: the sums of a product of matrices depend on where a row stands, and equal texts would part
                scores = self.similarity_pairwise(np.broadcast_to(asked, vectors.shape), vectors)
            order = np.argsort(-scores, kind="stable")[:top_k]
            ranked = [(int(index), float(scores[index])) for index in order]
        return [
            {"corpus_id": index, "score": score, **({"text": texts[index]} if return_documents else {})}
            for index, score in ranked
        ]

    def predict(
        self,
        sentences: Iterable[Any],
        batch_size: int | None = None,
        show_progress_bar: bool | None = None,
        *,
        instruction: str | None = None,
        raw: bool = False,
        **options: Any,
    ) -> Any:
        """CrossEncoder's `predict`: a score for each (query, document), or a row of them, one for each label.

        :param sentences: pairs of str; a single pair gives a single score, or one row
        :param options: max_length, on_overflow
        """
        check_batch_size(batch_size)
        expect_iterable(sentences, "sentences", "an iterable of pairs of str")
        given = list(sentences)
        is_one = len(given) == 2 and all(isinstance(text, str) for text in given)
        pairs = [tuple(given)] if is_one else [tuple(pair) for pair in given]
        with progress_bar(len(pairs), show_progress_bar) as on_progress:
            options = {"raw": raw, "on_progress": on_progress, "max_length": self._max_length, **options}
            if len(self.engine.info.labels) > 1:
                scores: np.ndarray = self.engine.classify_pairs(pairs, **options)[0]
            else:
                scores = self.engine.score_pairs(pairs, instruction=instruction, **options)[0]
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

    def _vectors(
        self, texts: list[str], normalize: bool, truncate_dim: int | None, options: dict[str, Any]
    ) -> tuple[Any, np.ndarray]:
        """One vector for each text, or, of late interaction, one for each of its tokens."""
        options = {
            "normalize": "always" if normalize else "declared",
            "dimensions": self.truncate_dim if truncate_dim is None else truncate_dim,
            **options,
        }
        if self.is_late_interaction:
            return split(self.engine.multi_vector(texts, **options))
        return self.engine.embed(texts, **options)

    def _everything(
        self, texts: list[str], normalize: bool, truncate_dim: int | None, options: dict[str, Any]
    ) -> tuple[list[dict[str, Any]], np.ndarray]:
        if self.is_sparse or self.is_late_interaction:
            raise ValueError("output_value is None, which is for models that give one vector for a text")
        vectors, reports = self._vectors(texts, normalize, truncate_dim, options)
        tokens = self.engine.token_embeddings(texts, **options)
        return [
            {"sentence_embedding": vector, "token_embeddings": states, "input_ids": ids}
            for vector, (ids, states, _) in zip(vectors, tokens)
        ], reports
