"""Tests of the measuring scripts in bench/ and of the programs that they run."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder of the built programs."""
    return Path(os.environ.get("MLXE_BINARY_DIR", ROOT / "build" / "release")) / "bin"


@pytest.fixture(scope="session")
def model() -> Path:
    """The real all-MiniLM-L6-v2, which the project's set-up links here."""
    return (ROOT / "build" / "models" / "all-MiniLM-L6-v2").resolve(strict=True)


@pytest.fixture
def texts(tmp_path) -> Path:
    """A file of 20 texts of different lengths."""
    file = tmp_path / "texts.txt"
    file.write_text("".join("a word and another " * (i + 1) + "\n" for i in range(20)), encoding="utf-8")
    return file
