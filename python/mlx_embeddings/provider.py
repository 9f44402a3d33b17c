# The functions of mlx-embeddings on top of load: generate, embed_text, families, providers.
"""Embeddings in one call each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._core import model_families, supported_model_types
from .model import Model, ModelOutput
from .tokenizer import Tokenizer


def generate(
    model: Model,
    processor: Tokenizer,
    texts: str | Sequence[str],
    images: Any = None,
    max_length: int = 512,
    padding: bool | str = True,
    truncation: bool = True,
    resize_shape: Any = None,
) -> ModelOutput:
    """Tokenises one text or several and runs the model; `images` and `resize_shape` are for models that see."""
    if images is not None or resize_shape is not None:
        raise ValueError(f"Model type '{model.model_type}' does not support vision-language embedding.")
    if not isinstance(texts, (str, list, tuple)):
        raise ValueError(
            f"Unsupported input type for text embeddings: {type(texts)}. Expected str, list[str], or tuple[str, ...]."
        )
    batch = [texts] if isinstance(texts, str) else list(texts)
    inputs = processor(batch, padding=padding, truncation=truncation, max_length=max_length, return_tensors="np")
    return model(**inputs)


class TextEmbeddingProvider:
    """Vectors of texts for one model and its tokenizer."""

    def __init__(self, model: Model, processor: Tokenizer):
        self.model = model
        self.processor = processor
        self.model_type = model.model_type

    def embed_text(self, texts: Sequence[str], **options: Any) -> Any:
        """An array [texts, dimensions] of unit vectors."""
        if isinstance(texts, tuple):
            texts = list(texts)
        if not isinstance(texts, list) or not texts:
            raise ValueError("embed_text expects a non-empty list[str].")
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("embed_text expects list[str].")
        return self._extract_embeddings(generate(self.model, self.processor, texts, **options), "embed_text")

    def embed_vision_language(self, items: Any, **options: Any) -> Any:
        """No model of this build reads images."""
        raise ValueError(f"Model type '{self.model_type}' does not support vision-language embedding.")

    def _extract_embeddings(self, outputs: Any, operation: str) -> Any:
        for name in ("text_embeds", "image_embeds"):
            found = getattr(outputs, name, None)
            if found is not None:
                return found
        raise ValueError(
            f"{self.model_type} provider failed to extract embeddings for '{operation}'. "
            "Model output did not include 'text_embeds' or 'image_embeds'."
        )


def get_embedding_provider(model: Model, processor: Tokenizer) -> TextEmbeddingProvider:
    """What turns inputs of this model's kind into vectors."""
    return TextEmbeddingProvider(model, processor)


def embed_text(model: Model, processor: Tokenizer, texts: Sequence[str], **options: Any) -> Any:
    """The vectors of a list of texts: an array [texts, dimensions], each of length 1.

    :param options: max_length, padding, truncation, as `generate` takes them
    """
    return get_embedding_provider(model, processor).embed_text(texts, **options)


def embed_vision_language(model: Model, processor: Tokenizer, items: Any, **options: Any) -> Any:
    """The vectors of images with texts, for models that read both; those of this build read texts."""
    return get_embedding_provider(model, processor).embed_vision_language(items, **options)


def list_model_families() -> dict[str, dict[str, Any]]:
    """The families whose short names are known: default, variants, aliases, model_type, and whether they load."""
    known = supported_model_types()
    return {
        family.name: {
            "default": family.default_model,
            "variants": list(family.variants),
            "aliases": list(family.aliases),
            "model_type": family.model_type,
            "supported": family.model_type in known,
        }
        for family in model_families()
    }
