"""Black-box tests of the program: how it is found and run."""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def binary() -> Path:
    tree = Path(os.environ.get("MLXE_BINARY_DIR", ROOT / "build" / "release"))
    return tree / "bin" / "mlx_embeddings"


@pytest.fixture(scope="session")
def model() -> Path:
    """The real all-MiniLM-L6-v2, which the project's set-up links here."""
    return (ROOT / "build" / "models" / "all-MiniLM-L6-v2").resolve(strict=True)


@pytest.fixture(scope="session")
def small_model() -> Path:
    """A model of a few kilobytes, for many texts."""
    return ROOT / "tests" / "fixtures" / "bert-mean"


@pytest.fixture(scope="session")
def run(binary):
    """Runs the program; str arguments, text in and out unless the input is bytes."""

    def call(*arguments, input=None, env=None, **more):
        text = not isinstance(input, bytes)
        return subprocess.run(
            [str(binary), *map(str, arguments)],
            input=input,
            capture_output="stdout" not in more,
            text=text,
            timeout=300,
            env={**os.environ, "HF_HUB_OFFLINE": "1", **(env or {})},
            **({"stderr": subprocess.PIPE} if "stdout" in more else {}),
            **more,
        )

    return call


@pytest.fixture
def out(tmp_path) -> Path:
    """An empty folder for results; a failing run must leave it empty."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def variant(model, tmp_path):
    """Makes a copy of the model folder by links, with some files replaced (bytes) or left out (None)."""

    def make(**changes):
        folder = tmp_path / "variant"
        folder.mkdir()
        for entry in model.iterdir():
            (folder / entry.name).symlink_to(entry)
        for key, content in changes.items():
            target = folder / key.replace("__", ".")
            target.unlink(missing_ok=True)
            if content is not None:
                target.write_bytes(content)
        return folder

    return make


@pytest.fixture
def config(model) -> dict:
    return json.loads((model / "config.json").read_text())
