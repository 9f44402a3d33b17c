# load: from a model's name to a model and its tokenizer.
"""`load` as mlx-embeddings has it."""

from __future__ import annotations

import os
import pathlib
import warnings
from typing import Any

from ._core import Engine, canonical_model_name, find_model, model_families, supported_model_types
from .errors import ModelNotFoundError
from .model import Model
from .tokenizer import Tokenizer, read_json, transformer_folder

__all__ = ["ModelNotFoundError", "check_config", "load"]

_ENGINE_OPTIONS = (
    "task", "device", "precision", "threads", "pooling", "expand_quantized", "adapter", "revision", "offline",
)  # fmt: skip
_NEEDS_REMOTE_CODE = {"qwen3_vl": "its processor is Python code of the model's repository"}


def check_config(config: dict[str, Any], trust_remote_code: bool = False) -> None:
    """Refuses what this build cannot load, in the words of mlx-embeddings."""
    model_type = config.get("model_type")
    if not isinstance(model_type, str):
        return
    known = supported_model_types()
    names = {name.replace("-", "_") for name in known}
    acknowledged = trust_remote_code or bool(config.get("trust_remote_code"))
    if model_type in _NEEDS_REMOTE_CODE and not acknowledged:
        raise ValueError(
            f"Model '{model_type}' requires trust_remote_code=True in config.\n"
            f"Reason: {_NEEDS_REMOTE_CODE[model_type]}\n"
            "Fix: Add 'trust_remote_code': true to your model config or use --trust-remote-code flag"
        )
    if model_type.replace("-", "_") not in names:
        raise ValueError(
            f"Model type '{model_type}' not supported. Supported models: {', '.join(known)}\n"
            "To add support for a new model, see: docs/CONTRIBUTING.md#adding-new-models"
        )
    if config.get("trust_remote_code") and model_type not in _NEEDS_REMOTE_CODE:
        warnings.warn(
            f"Model '{model_type}' does not require trust_remote_code. Consider removing it from config for security.",
            stacklevel=3,
        )


def load(
    path_or_hf_repo: str | os.PathLike[str],
    tokenizer_config: dict[str, Any] | None = None,
    model_config: dict[str, Any] | None = None,
    adapter_path: str | os.PathLike[str] | None = None,
    lazy: bool = False,
    trust_remote_code: bool = False,
) -> tuple[Model, Tokenizer]:
    """A model and its tokenizer, from a folder, an alias or the name of a repository, downloaded if the cache lacks it.

    :param tokenizer_config: replaces entries of tokenizer_config.json
    :param model_config: options of `Engine.load`: task, device, precision, threads, pooling, expand_quantized,
        adapter, revision, offline
    :param adapter_path: a LoRA adapter that is merged into the model
    :param lazy: accepted; weights are mapped from the file in any case
    :param trust_remote_code: accepted where a model asks for it; no code of a repository is ever run
    """
    del lazy
    name = os.fspath(path_or_hf_repo)
    if not isinstance(name, str):
        raise TypeError(f"the model's name is {type(name).__name__}, wanted str or a path")
    if not name.strip():
        raise ValueError("Model path/repo cannot be empty.")
    options = dict(model_config or {})
    if unknown := [key for key in options if key not in _ENGINE_OPTIONS]:
        raise TypeError(f"model_config has no option {unknown[0]!r}, wanted some of {', '.join(_ENGINE_OPTIONS)}")
    if not os.path.exists(name):
        check_config({"model_type": _family_type(name)}, trust_remote_code)  # before anything is downloaded
    folder = find_model(name, revision=options.pop("revision", None), offline=options.get("offline", False))
    check_config(read_json(transformer_folder(pathlib.Path(folder)) / "config.json"), trust_remote_code)
    if adapter_path is not None:
        options["adapter"] = os.fspath(adapter_path)
    engine = Engine.load(folder, **options)
    options.pop("task", None)  # another head comes from the same folder
    return Model(engine, **options), Tokenizer(engine, **(tokenizer_config or {}))


def _family_type(name: str) -> str | None:
    """The model_type of a family's name or of one of its models, where that is known."""
    canonical = canonical_model_name(name)
    return next((f.model_type for f in model_families() if canonical in (f.default_model, *f.variants)), None)
