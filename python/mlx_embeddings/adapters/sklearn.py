# scikit-learn: a transformer of texts into vectors, for pipelines.
"""`pip install mlx-embeddings[sklearn]`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from ..embedder import Embedder
from . import to_embedder


class MLXTransformer(TransformerMixin, BaseEstimator):
    """`make_pipeline(MLXTransformer("all-MiniLM-L6-v2"), LogisticRegression())`.

    :param model: a folder, a name, or an `Embedder`
    :param truncate_dim: keep the first dimensions
    :param normalize: unit vectors even if the checkpoint does not ask for them
    :param prompt: put before every text
    """

    def __init__(
        self,
        model: str | Embedder = "all-MiniLM-L6-v2",
        truncate_dim: int | None = None,
        normalize: bool = False,
        prompt: str | None = None,
    ):
        self.model = model
        self.truncate_dim = truncate_dim
        self.normalize = normalize
        self.prompt = prompt

    def fit(self, X: Iterable[str], y: Any = None) -> MLXTransformer:  # noqa: N803, the framework's name
        """Loads the model; nothing is learnt."""
        self._load()
        return self

    def transform(self, X: Iterable[str]) -> np.ndarray:  # noqa: N803
        """[texts, dimensions]"""
        return self._load().encode(
            X, truncate_dim=self.truncate_dim, normalize_embeddings=self.normalize, prompt=self.prompt
        )

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        width = self.truncate_dim or self._load().get_embedding_dimension()
        return np.array([f"embedding{i}" for i in range(width)], dtype=object)

    def _load(self) -> Embedder:
        loaded = self.__dict__.get("_embedder")
        if loaded is None or loaded[0] is not self.model:
            self._embedder = loaded = (self.model, to_embedder(self.model, {}))
        return loaded[1]

    def __getstate__(self) -> dict[str, Any]:
        """Without the loaded model, which the copy loads again by its name."""
        return {name: value for name, value in super().__getstate__().items() if name != "_embedder"}

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.requires_fit = False
        return tags
