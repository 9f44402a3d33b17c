# The mlx backend under Python: found beside the module, and refused where libmlx is missing or another.
import shutil
import subprocess

import numpy as np
import pytest

from mlx_embeddings import Embedder, Engine, errors

pytest.importorskip("mlx.core")
TEXTS = ["a cat", "the dog sat on the mat and ran away", "b"]

LOAD = """
import sys
from mlx_embeddings import Engine, errors
try: print(Engine.load(sys.argv[1], device="mlx").info.device)
except errors.UnsupportedError as error: print(error)
"""


def test_vectors_of_mlx_are_those_of_the_cpu(fixtures):
    cpu = Embedder(fixtures / "bert-mean", device="cpu", precision="fp32")
    mlx = Embedder(fixtures / "bert-mean", device="mlx")
    assert mlx.info.device.startswith("mlx (")
    np.testing.assert_allclose(mlx.encode(TEXTS), cpu.encode(TEXTS), atol=5e-6)  # as in the model tests


def test_it_shares_libmlx_with_the_package_mlx(script, fixtures):
    ran = script(
        "import sys, mlx.core as mx\n"
        "from mlx_embeddings import Embedder\n"
        "vectors = mx.array(Embedder(sys.argv[1], device='mlx').encode(['a', 'b']))\n"
        "print((vectors @ vectors.T).shape)\n"
        "print(len({line.split()[-1] for line in open('/proc/self/maps') if 'libmlx.' in line}))\n",
        fixtures / "bert-mean",
    )
    assert ran.stdout.split("\n")[:2] == ["(2, 2)", "1"], ran.stderr


def test_the_program_of_the_package_finds_it_too(script, fixtures):
    ran = script(
        "import runpy, sys; sys.argv = ['m', *sys.argv[1:]]; runpy.run_module('mlx_embeddings')",
        "info", "-m", fixtures / "bert-mean", "--device", "mlx",
    )  # fmt: skip
    assert "mlx (" in ran.stdout, ran.stderr


@pytest.mark.parametrize("lacks", ["nothing", "functions"])
def test_another_libmlx_is_refused_with_both_versions(script, fixtures, tmp_path, lacks):
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler, which makes the other libmlx")
    other = tmp_path / "libmlx.so"
    source = 'namespace mlx::core { const char* version() { return "0.0.1"; } }'
    subprocess.run(["c++", "-shared", "-fPIC", "-x", "c++", "-", "-o", other], input=source, text=True, check=True)
    # Before the real one, which has the rest, or in its place, as an older release is.
    environment = {"LD_PRELOAD": str(other)} if lacks == "nothing" else {"LD_LIBRARY_PATH": str(tmp_path)}
    ran = script(LOAD, fixtures / "bert-mean", environment=environment)
    assert ran.stdout.startswith("the mlx backend was built with libmlx 0.32"), ran.stderr
    assert "and this is libmlx 0.0.1, wanted the same" in ran.stdout


def test_without_the_module_the_error_names_it(monkeypatch, fixtures):
    monkeypatch.setenv("MLXE_MLX_BACKEND", "/nowhere/module.so")
    with pytest.raises(errors.UnsupportedError, match="mlx backend '/nowhere/module.so': no such file"):
        Engine.load(str(fixtures / "bert-mean"), device="mlx")
