# The tokenizer that `load` returns: the engine's, under the names that transformers uses.
"""Texts to token ids and back, with the calls of a transformers tokenizer."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ._core import Engine
from .arrays import expect_token_ids, to_framework, to_numpy
from .texts import as_texts, expect_iterable

NAMED_TOKENS = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
_TRUNCATION = (True, "longest_first")
_NO_TRUNCATION = (False, None, "do_not_truncate")
_NO_PADDING = (False, None, "do_not_pad")


class BatchEncoding(dict):
    """What the tokenizer gives: a dictionary whose entries are attributes too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the encoding has no {name!r}; it has {', '.join(self)}") from None


def read_json(path: pathlib.Path) -> dict[str, Any]:
    """The object in a JSON file; empty if there is no such file."""
    if not path.is_file():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    return content if isinstance(content, dict) else {}


def transformer_folder(folder: pathlib.Path) -> pathlib.Path:
    """Where a sentence-transformers folder keeps its transformer: most often the folder itself."""
    modules = folder / "modules.json"
    if modules.is_file():
        for module in json.loads(modules.read_text(encoding="utf-8")):
            if module.get("type", "").rpartition(".")[2] in ("Transformer", "MLMTransformer"):
                return folder / module.get("path", "")
    return folder


class Tokenizer:
    """The engine's tokenizer. Special tokens and the padding side are those of the model's folder."""

    def __init__(self, engine: Engine, **config: Any):
        self._engine = engine
        folder = transformer_folder(pathlib.Path(engine.info.path))
        settings = {
            **read_json(folder / "special_tokens_map.json"),
            **read_json(folder / "tokenizer_config.json"),
            **config,
        }
        model = read_json(folder / "config.json")
        self.name_or_path = engine.info.path
        self.padding_side: str = settings.get("padding_side", "right")
        self.model_max_length = engine.info.max_length
        self.init_kwargs = settings
        self._has_types = engine.info.num_token_types > 1
        for name in NAMED_TOKENS:
            token = settings.get(f"{name}_token")
            token = token.get("content") if isinstance(token, dict) else token
            if name == "mask" and not token:
                token = engine.info.mask_token or None
            setattr(self, f"{name}_token", token)
        if self.pad_token is None and isinstance(model.get("pad_token_id"), int) and model["pad_token_id"] >= 0:
            self.pad_token = engine.token(model["pad_token_id"]) or None

    pad_token: str | None
    unk_token: str | None
    cls_token: str | None
    sep_token: str | None
    bos_token: str | None
    eos_token: str | None
    mask_token: str | None

    def __getattr__(self, name: str) -> Any:
        stem, _, ending = name.rpartition("_token_id")
        if stem in NAMED_TOKENS and not ending:
            token = self.__dict__.get(f"{stem}_token")
            return None if token is None else self._engine.token_id(token)
        raise AttributeError(f"the tokenizer has no {name!r}")

    @property
    def all_special_tokens(self) -> list[str]:
        """The named special tokens that there are, each once."""
        return list(dict.fromkeys(t for n in NAMED_TOKENS if (t := getattr(self, f"{n}_token")) is not None))

    @property
    def all_special_ids(self) -> list[int]:
        return [i for t in self.all_special_tokens if (i := self._engine.token_id(t)) is not None]

    def __call__(
        self,
        text: str | Iterable[str],
        text_pair: str | Iterable[str] | None = None,
        *,
        add_special_tokens: bool = True,
        padding: bool | str = False,
        truncation: bool | str | None = False,
        max_length: int | None = None,
        return_tensors: str | None = None,
        return_attention_mask: bool = True,
        return_token_type_ids: bool | None = None,
        return_offsets_mapping: bool = False,
        return_special_tokens_mask: bool = False,
        return_length: bool = False,
        **ignored: Any,
    ) -> BatchEncoding:
        """One text or a batch of them; `input_ids` and `attention_mask` at least.

        A text alone gives plain lists, and with `return_tensors` a batch of one, as in transformers.
        """
        _check_ignored(ignored)
        texts, is_one = as_texts(text, "text")
        rows = self._tokenize(texts, text_pair, is_one, add_special_tokens, truncation, max_length)
        side = self.padding_side
        width = self._width([len(row[0]) for row in rows], padding, max_length)
        pad = self.pad_token_id if self.pad_token_id is not None else 0
        columns: dict[str, list[list[Any]]] = {
            "input_ids": [_padded(row[0], width, pad, side) for row in rows],
        }
        if self._has_types if return_token_type_ids is None else return_token_type_ids:
            columns["token_type_ids"] = [_padded(row[4], width, 0, side) for row in rows]
        if return_attention_mask:
            columns["attention_mask"] = [_padded([1] * len(row[0]), width, 0, side) for row in rows]
        if return_special_tokens_mask:
            columns["special_tokens_mask"] = [_padded(row[3], width, 1, side) for row in rows]
        if return_offsets_mapping:
            columns["offset_mapping"] = [_padded(row[2], width, (0, 0), side) for row in rows]
        encoding = BatchEncoding()
        for name, column in columns.items():
            if return_tensors is not None:
                encoding[name] = to_framework(_matrix(column, name), return_tensors)
            else:
                encoding[name] = column[0] if is_one else column
        if return_length:
            encoding["length"] = [len(row[0]) for row in rows]
        return encoding

    def _tokenize(
        self,
        texts: list[str],
        text_pair: str | Iterable[str] | None,
        is_one: bool,
        add_special_tokens: bool,
        truncation: bool | str | None,
        max_length: int | None,
    ) -> list[Any]:
        if truncation not in _TRUNCATION + _NO_TRUNCATION:
            if text_pair is not None:
                raise ValueError(f"truncation is {truncation!r}, wanted True or 'longest_first' for pairs")
            truncation = True
        truncate = truncation in _TRUNCATION
        limit = None
        if truncate and max_length is not None:
            limit = min(max_length, self._engine.info.max_positions)
        options: dict[str, Any] = {
            "truncate": truncate,
            "add_special_tokens": add_special_tokens,
            "max_length": limit,
        }
        if text_pair is None:
            return self._engine.tokenize(texts, **options)
        others = [text_pair] if is_one and isinstance(text_pair, str) else list(text_pair)
        if len(others) != len(texts):
            raise ValueError(f"got {len(texts)} texts and {len(others)} second texts, wanted as many")
        return self._engine.tokenize_pairs(list(zip(texts, others)), **options)

    def _width(self, lengths: list[int], padding: bool | str, max_length: int | None) -> int | None:
        if padding in _NO_PADDING:
            return None
        if padding in (True, "longest"):
            return max(lengths, default=0)
        if padding == "max_length":
            return max(max_length if max_length is not None else self.model_max_length, *lengths, 0)
        raise ValueError(f"padding is {padding!r}, wanted True, False, 'longest', 'max_length' or 'do_not_pad'")

    def encode(
        self, text: str, text_pair: str | None = None, *, return_tensors: str | None = None, **options: Any
    ) -> Any:
        """The token ids of one text: a list, or with `return_tensors` an array [1, tokens]."""
        if not isinstance(text, str):
            raise TypeError(f"encode wants str, got {type(text).__name__}; batch_encode_plus takes a list of str")
        return self(text, text_pair, return_tensors=return_tensors, **options)["input_ids"]

    def encode_plus(self, text: str, text_pair: str | None = None, **options: Any) -> BatchEncoding:
        return self(text, text_pair, **options)

    def batch_encode_plus(self, batch_text_or_text_pairs: Iterable[Any], **options: Any) -> BatchEncoding:
        """The encodings of many texts, or of many (text, second text) tuples."""
        expect_iterable(batch_text_or_text_pairs, "the batch", "an iterable of str or of pairs of str")
        texts = list(batch_text_or_text_pairs)
        if texts and all(isinstance(text, (tuple, list)) and len(text) == 2 for text in texts):
            return self([text[0] for text in texts], [text[1] for text in texts], **options)
        return self(texts, **options)

    def tokenize(self, text: str, **options: Any) -> list[str]:
        """The tokens of a text as the vocabulary spells them, without special ones."""
        return self._engine.tokenize([text], truncate=False, add_special_tokens=False)[0][1]

    def convert_tokens_to_ids(self, tokens: str | Sequence[str]) -> Any:
        if isinstance(tokens, str):
            found = self._engine.token_id(tokens)
            return self.unk_token_id if found is None else found
        return [self.convert_tokens_to_ids(token) for token in tokens]

    def convert_ids_to_tokens(self, ids: int | Sequence[int]) -> Any:
        if isinstance(ids, (int, np.integer)):
            return self._engine.token(int(ids))
        return [self._engine.token(int(i)) for i in ids]

    def decode(self, token_ids: Any, skip_special_tokens: bool = False, **ignored: Any) -> str:
        """The text of one row of ids, or of a single id."""
        _check_ignored(ignored)
        ids = to_numpy(token_ids, "token_ids")
        if ids.size == 0:
            return ""
        if ids.ndim > 1 or not np.issubdtype(ids.dtype, np.integer):
            raise ValueError(f"token_ids are {ids.dtype} of shape {ids.shape}, wanted one row of integers")
        expect_token_ids(ids, "token_ids")
        return self._engine.decode(np.atleast_1d(ids).tolist(), skip_special_tokens)

    def batch_decode(self, sequences: Any, skip_special_tokens: bool = False, **ignored: Any) -> list[str]:
        """A text for each row; a flat list of ids gives a text for each id."""
        return [self.decode(row, skip_special_tokens, **ignored) for row in sequences]

    def score_retrieval(self, queries: Any, passages: Any) -> np.ndarray:
        """Late interaction's scores of every query with every passage, each [tokens, dimensions]; rows of zeros are
        padding."""
        from .similarity import maxsim

        return maxsim(queries, passages)

    def __len__(self) -> int:
        return self.vocab_size

    @property
    def vocab_size(self) -> int:
        """How many words the model has."""
        return self._engine.info.vocab_size

    def __repr__(self) -> str:
        return f"Tokenizer({self.name_or_path!r}, padding_side={self.padding_side!r})"


# Arguments of transformers that change nothing here.
_WITHOUT_MEANING = ("clean_up_tokenization_spaces", "verbose", "is_split_into_words")


def _check_ignored(options: dict[str, Any]) -> None:
    for name, value in options.items():
        if name not in _WITHOUT_MEANING or (name == "is_split_into_words" and value):
            raise TypeError(f"the tokenizer takes no {name}={value!r}")


def _padded(row: list[Any], width: int | None, filler: Any, side: str) -> list[Any]:
    if width is None or len(row) >= width:
        return row
    filling = [filler] * (width - len(row))
    return filling + row if side == "left" else row + filling


def _matrix(rows: list[list[Any]], name: str) -> np.ndarray:
    if len({len(row) for row in rows}) > 1:
        raise ValueError(
            f"Unable to create tensor of {name}: the rows have different lengths. Use padding=True, and truncation=True "
            "to cut long texts."
        )
    return np.array(rows, dtype=np.int32) if rows else np.zeros((0, 0), dtype=np.int32)
