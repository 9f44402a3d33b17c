# What `import mlx_embeddings` gives; heavy and optional libraries are imported by those functions that want them.
"""Text in, vectors out: embedding models from plain Hugging Face checkpoints, on the machine you have.

    from mlx_embeddings import Embedder
    vectors = Embedder("all-MiniLM-L6-v2").encode(["a cat", "a dog"])

`load`, `generate`, `embed_text` and their like are those of mlx-embeddings; `Embedder` has the calls of
sentence-transformers; `Engine` is the C++ engine itself.
"""

import os as _os
import pathlib as _pathlib

_backend = _pathlib.Path(__file__).parent / "libmlxe_backend_mlx.so"
if _backend.is_file():  # the engine looks beside the running program, which is Python here
    _os.environ.setdefault("MLXE_MLX_BACKEND", str(_backend))

from ._core import Engine, ModelFamily, ModelInfo, __version__, supported_model_types
from .conversion import convert
from .embedder import Embedder, Report
from .errors import Error, ModelNotFoundError
from .model import Config, Model, ModelOutput
from .provider import (
    TextEmbeddingProvider,
    embed_text,
    embed_vision_language,
    generate,
    get_embedding_provider,
    list_model_families,
)
from .similarity import maxsim, quantize_embeddings, similarity, similarity_pairwise
from .tokenizer import BatchEncoding, Tokenizer
from .utils import load

__all__ = [
    "BatchEncoding", "Config", "Embedder", "Engine", "Error", "Model", "ModelFamily", "ModelInfo", "ModelNotFoundError",
    "ModelOutput", "Report", "TextEmbeddingProvider", "Tokenizer", "__version__", "convert", "embed_text", "embed_vision_language",
    "generate", "get_embedding_provider", "list_model_families", "load", "maxsim", "quantize_embeddings", "similarity",
    "similarity_pairwise", "supported_model_types",
]  # fmt: skip
