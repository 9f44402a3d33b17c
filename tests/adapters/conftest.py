# The adapters with the frameworks themselves: `make adapters`, in an environment of their own.
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TREE = Path(os.environ.get("MLXE_BINARY_DIR", ROOT / "build" / "release"))
sys.path.insert(0, str(TREE / "python"))


@pytest.fixture(scope="session")
def model() -> str:
    return str(ROOT / "tests" / "fixtures" / "qwen3-embed")  # has a prompt for queries


@pytest.fixture(scope="session")
def reranker() -> str:
    return str(ROOT / "tests" / "fixtures" / "bert-rerank")


@pytest.fixture(scope="session")
def embedder(model):
    from mlx_embeddings import Embedder

    return Embedder(model)
