# Types: the stub is what the module has, and a program that uses the package passes the checker.
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytest.importorskip("mypy")


def check(*arguments, cwd):
    ran = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, timeout=300, cwd=cwd)
    return ran.returncode, ran.stdout + ran.stderr


def test_the_stub_names_what_the_module_has(tmp_path):
    allowed = ROOT / "python" / "stubtest_allowlist.txt"
    code, said = check(
        "mypy.stubtest", "mlx_embeddings._core", "--allowlist", str(allowed), "--ignore-unused-allowlist", cwd=tmp_path
    )  # fmt: skip
    assert code == 0, said


def test_the_package_itself_is_typed_throughout(tmp_path):
    # Frameworks that are not installed here are Any; what an adapter derives from them cannot be checked.
    code, said = check(
        "mypy", "-p", "mlx_embeddings", "--disallow-untyped-defs", "--disallow-incomplete-defs", "--warn-unreachable",
        "--ignore-missing-imports", "--no-incremental", cwd=tmp_path,
    )  # fmt: skip
    assert code == 0, said


PROGRAM = """
import numpy as np
from mlx_embeddings import Embedder, Engine, load, similarity

engine: Engine = Engine.load("m", precision="fp32")
vectors, reports = engine.embed(["a"], max_length=5)
rows: np.ndarray = vectors
dimensions: int = engine.info.embedding_dim
model, tokenizer = load("m")
name: str | None = tokenizer.mask_token
matrix: np.ndarray = similarity(rows, rows)
best: list[dict[str, object]] = Embedder("m").rank("a", ["b"])
"""


def test_a_program_that_uses_the_package_passes_the_type_checker_and_a_wrong_one_fails(tmp_path):
    (tmp_path / "right.py").write_text(PROGRAM)
    (tmp_path / "wrong.py").write_text(PROGRAM + 'engine.embed(["a"], max_len=5)\n')
    code, said = check("mypy", "--follow-imports=silent", "right.py", cwd=tmp_path)
    assert code == 0, said
    code, said = check("mypy", "--follow-imports=silent", "wrong.py", cwd=tmp_path)
    assert code == 1, said
    assert 'Unexpected keyword argument "max_len"' in said
