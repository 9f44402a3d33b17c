# The Python package of the build tree, and the models that its tests use.
"""Tests run without pip: the package is imported from the build tree."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TREE = Path(os.environ.get("MLXE_BINARY_DIR", ROOT / "build" / "release"))
FIXTURES = ROOT / "tests" / "fixtures"
sys.path.insert(0, str(TREE / "python"))
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(TREE / "python"), os.environ.get("PYTHONPATH")]))


@pytest.fixture(scope="session")
def fixtures() -> Path:
    return FIXTURES


@pytest.fixture(scope="session")
def minilm_folder() -> str:
    """The real all-MiniLM-L6-v2."""
    return str((ROOT / "build" / "models" / "all-MiniLM-L6-v2").resolve(strict=True))


@pytest.fixture(scope="session")
def minilm(minilm_folder):
    from mlx_embeddings import Embedder

    return Embedder(minilm_folder)


@pytest.fixture(scope="session")
def small():
    """A model of a few kilobytes."""
    from mlx_embeddings import Embedder

    return Embedder(FIXTURES / "bert-mean")


@pytest.fixture(scope="session")
def pair(fixtures):
    """What `load` gives for a fixture, each loaded once."""
    from mlx_embeddings import load

    cache = {}

    def get(name):
        if name not in cache:
            cache[name] = load(fixtures / name)
        return cache[name]

    return get


@pytest.fixture(scope="session")
def program():
    """Runs the C++ program and gives what it prints."""

    def run(*arguments, input=None):
        command = [str(TREE / "bin" / "mlx_embeddings"), *map(str, arguments)]
        return subprocess.run(command, input=input, capture_output=True, text=True, check=True, timeout=300).stdout

    return run


@pytest.fixture
def script():
    """Runs Python code in a process of its own."""

    def run(code, *arguments, environment=None):
        command = [sys.executable, "-c", code, *map(str, arguments)]
        variables = {**os.environ, **(environment or {})}
        return subprocess.run(command, capture_output=True, text=True, timeout=120, env=variables)

    return run
