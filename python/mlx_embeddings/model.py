# The model that `load` returns: called on padded arrays of token ids, computed without the padding.
"""`Model` and what its call gives."""

from __future__ import annotations

import pathlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ._core import Engine, ModelInfo
from .arrays import mask_matrix, to_result, token_matrix
from .errors import UnsupportedError
from .tokenizer import read_json, transformer_folder

_VISION_ARGUMENTS = ("pixel_values", "images", "image_grid_thw", "video_grid_thw", "pixel_values_videos")


class Config(dict):
    """config.json; its entries are attributes too, those of inner objects likewise."""

    def __getattr__(self, name: str) -> Any:
        try:
            value = self[name]
        except KeyError:
            raise AttributeError(f"config.json has no {name!r}") from None
        return Config(value) if isinstance(value, dict) else value

    def to_dict(self) -> dict[str, Any]:
        return dict(self)


class ModelOutput:
    """What a call of the model gives. Each array is computed when it is first asked for, and kept.

    `text_embeds` [batch, dim] or, of late interaction, [batch, seq, dim]; `last_hidden_state` [batch, seq, dim];
    `pooler_output`, `logits`, `scores`: those that the model's head has are arrays, the others None. Padding has zeros.
    They are `mx.array` of the checkpoint's floating-point type (`Model.dtype`) where mlx is installed, else numpy's
    float32. What a type cannot hold is a `NonFiniteError`.
    """

    FIELDS = (
        "last_hidden_state", "text_embeds", "pooler_output", "logits", "scores", "image_embeds", "hidden_states",
    )  # fmt: skip

    def __init__(self, sources: dict[str, Callable[[], Any]]):
        self._sources = sources

    def __getattr__(self, name: str) -> Any:
        if name not in ModelOutput.FIELDS:
            raise AttributeError(f"the output has no {name!r}; it has {', '.join(ModelOutput.FIELDS)}")
        source = self.__dict__["_sources"].get(name)
        value = source() if source is not None else None
        setattr(self, name, value)
        return value

    def keys(self) -> list[str]:
        """The names of the arrays that there are."""
        return [name for name in ModelOutput.FIELDS if name in self._sources]

    def __getitem__(self, key: int | str) -> Any:
        return getattr(self, self.keys()[key] if isinstance(key, int) else key)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, name: str) -> bool:
        return name in self._sources

    def __repr__(self) -> str:
        return f"ModelOutput({', '.join(self.keys())})"


class Model:
    """A loaded checkpoint. What a row gives depends on its tokens alone: not on other rows, the padding or its side.

    The head that the folder declares is loaded at once, another one when an output wants it.
    """

    def __init__(self, engine: Engine, **load_options: Any):
        self.engine = engine
        self.config = _config(engine.info)
        self._load_options = load_options
        self._engines = {engine.info.task: engine}
        self._lock = threading.Lock()

    @property
    def dtype(self) -> str:
        """The checkpoint's floating-point type, which results that are `mx.array` have."""
        return self.engine.info.float_dtype

    @property
    def model_type(self) -> str:
        return str(self.config["model_type"])

    def engine_for(self, task: str) -> Engine:
        """The engine with this head: "embed", "classify", "fill-mask", ...; see `Engine.load`."""
        with self._lock:
            if task not in self._engines:
                self._engines[task] = Engine.load(self.engine.info.path, **{**self._load_options, "task": task})
            return self._engines[task]

    def __call__(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        **others: Any,
    ) -> ModelOutput:
        """Runs rows of token ids.

        :param input_ids: [batch, seq] of integers, of any array library
        :param attention_mask: [batch, seq], 1 for tokens and 0 for padding, of any type; without one all are tokens
        :param token_type_ids: [batch, seq]; without them all are 0
        """
        for name, value in others.items():
            if value is None or name == "return_dict":
                continue
            if name in _VISION_ARGUMENTS:
                raise ValueError(f"Model type '{self.model_type}' does not support vision-language embedding.")
            raise TypeError(f"the model takes no {name!r}; it takes input_ids, attention_mask and token_type_ids")
        if input_ids is None:
            raise TypeError("input_ids is None, wanted an array [batch, seq]")
        ids = token_matrix(input_ids)
        mask = None if attention_mask is None else mask_matrix(attention_mask, ids.shape)
        types = None if token_type_ids is None else token_matrix(token_type_ids, "token_type_ids")
        sources = self._sources(_Rows(ids, mask, types))
        once = {source: self._once(source) for source in sources.values()}  # one result may have several names
        output = ModelOutput({name: once[source] for name, source in sources.items()})
        getattr(output, next(iter(sources)))  # what is wrong with the rows is said here, not where a result is read
        return output

    def _sources(self, rows: _Rows) -> dict[str, Callable[[], np.ndarray]]:
        task = self.engine.info.task
        if task == "embed":
            if self._is_masked_lm():
                return {**self._token_logits(rows, "fill-mask"), **self._of_encoder(rows)}
            return {
                **self._of_encoder(rows),
                "pooler_output": lambda: self.engine.embed_ids(*rows.arguments, normalize="never")[0],
            }
        if task == "multi-vector":
            return {
                "text_embeds": lambda: rows.spread(self.engine.multi_vector_ids(*rows.arguments)),
                "last_hidden_state": lambda: rows.spread(self.engine.token_embeddings_ids(*rows.arguments)),
            }
        if task in ("sparse", "fill-mask", "classify-tokens"):
            return {**self._token_logits(rows, task), **self._of_encoder(rows)}
        if not self.engine.info.labels:
            raise UnsupportedError(
                "this reranker reads a query and a document in a prompt of its own; use Embedder.rank or "
                "Engine.rerank, which take texts"
            )

        def scores() -> np.ndarray:
            return self.engine.classify_ids(*rows.arguments)[0]

        return {
            "pooler_output": scores,
            "logits": lambda: self.engine.classify_ids(*rows.arguments, raw=True)[0],
            "scores": scores,
            **self._of_encoder(rows),
        }

    def _is_masked_lm(self) -> bool:
        names = self.config.get("architectures") or [""]
        has_modules = (pathlib.Path(self.engine.info.path) / "modules.json").is_file()
        return str(names[0]).endswith("ForMaskedLM") and not has_modules

    def _token_logits(self, rows: _Rows, task: str) -> dict[str, Callable[[], np.ndarray]]:
        """Of every token, over the vocabulary or over the labels: under both names that this has."""

        def logits() -> np.ndarray:
            return rows.spread(self.engine_for(task).token_logits_ids(*rows.arguments))

        return {"pooler_output": logits, "logits": logits}

    def _of_encoder(self, rows: _Rows) -> dict[str, Callable[[], np.ndarray]]:
        """What an embedding model gives; of another head, what is beneath it."""
        return {
            "text_embeds": lambda: self.engine_for("embed").embed_ids(*rows.arguments)[0],
            "last_hidden_state": lambda: rows.spread(self.engine_for("embed").token_embeddings_ids(*rows.arguments)),
        }

    def _once(self, source: Callable[[], np.ndarray]) -> Callable[[], Any]:
        """The source's result in the checkpoint's type, computed when it is first asked for."""
        kept: list[Any] = []

        def get() -> Any:
            if not kept:
                kept.append(to_result(source(), self.dtype))
            return kept[0]

        return get

    def __repr__(self) -> str:
        info = self.engine.info
        return f"Model({info.path!r}, model_type={info.model_type!r}, task={info.task!r})"


def _config(info: ModelInfo) -> Config:
    """config.json; what a folder's lacks because it has none (a GGUF file, an adapter) is what the engine found."""
    found: dict[str, Any] = {
        "model_type": info.model_type,
        "vocab_size": info.vocab_size,
        "hidden_size": info.hidden_size,
        "num_hidden_layers": info.num_layers,
    }
    if info.labels:
        found["id2label"] = {str(index): label for index, label in enumerate(info.labels)}
    return Config({**found, **read_json(transformer_folder(pathlib.Path(info.path)) / "config.json")})


class _Rows:
    """The arrays of one call, and the way back from packed rows to padded ones."""

    def __init__(self, ids: np.ndarray, mask: np.ndarray | None, types: np.ndarray | None):
        self.arguments = (ids, mask, types)

    def spread(self, found: list[tuple[Any, Any, Any]]) -> np.ndarray:
        """[batch, seq, width]: the vectors of each row's tokens where the tokens stand, zeros where padding does."""
        ids, mask, _ = self.arguments
        width = found[0][1].shape[1] if found else 0
        if len(found) == 1 and len(found[0][0]) == ids.shape[1]:  # nothing is padded: the engine's own memory
            return found[0][1][np.newaxis]
        values = np.zeros((*ids.shape, width), dtype=np.float32)
        for row, (_, vectors, _) in enumerate(found):
            begin = int(mask[row].argmax()) if mask is not None else 0
            values[row, begin : begin + len(vectors)] = vectors
        return values
