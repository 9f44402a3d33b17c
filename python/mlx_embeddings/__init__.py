# What `import mlx_embeddings` gives; heavy and optional libraries are imported by those functions that want them.
"""Text in, vectors out: embedding models from plain Hugging Face checkpoints, on the machine you have.

    from mlx_embeddings import Embedder
    vectors = Embedder("all-MiniLM-L6-v2").encode(["a cat", "a dog"])

`load`, `generate`, `embed_text` and their like are those of mlx-embeddings; `Embedder` has the calls of
sentence-transformers; `Engine` is the C++ engine itself.
"""

from ._core import Engine, ModelFamily, ModelInfo, supported_model_types
from ._core import version as __version__
from .conversion import convert
from .embedder import Embedder
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
from .report import Report
from .similarity import maxsim, quantize_embeddings, similarity, similarity_pairwise
from .tokenizer import BatchEncoding, Tokenizer
from .utils import load

__all__ = [
    "BatchEncoding", "Config", "Embedder", "Engine", "Error", "Model", "ModelFamily", "ModelInfo", "ModelNotFoundError",
    "ModelOutput", "Report", "TextEmbeddingProvider", "Tokenizer", "__version__", "convert", "embed_text", "embed_vision_language",
    "generate", "get_embedding_provider", "list_model_families", "load", "maxsim", "quantize_embeddings", "similarity",
    "similarity_pairwise", "supported_model_types",
]  # fmt: skip
