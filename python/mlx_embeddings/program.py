# The command `mlx_embeddings` of an installed package: hands over to the program that came with it.
"""`python -m mlx_embeddings` and the script of the same name."""

import os
import pathlib
import sys
from typing import NoReturn


def program_path() -> pathlib.Path:
    """The C++ program of this installation."""
    here = pathlib.Path(__file__).absolute().parent
    for path in (here / "bin" / "mlx_embeddings", here.parent.parent / "bin" / "mlx_embeddings"):
        if path.is_file():
            return path
    raise FileNotFoundError(f"no program mlx_embeddings in {here / 'bin'}; the package was installed without it")


def run(*arguments: str) -> NoReturn:
    """Becomes the program, with these arguments."""
    backend = pathlib.Path(__file__).absolute().parent / "libmlxe_backend_mlx.so"
    if backend.is_file():  # the program of a wheel lies in a folder of its own
        os.environ.setdefault("MLXE_MLX_BACKEND", str(backend))
    path = str(program_path())
    os.execv(path, [path, *arguments])


def main() -> NoReturn:
    run(*sys.argv[1:])


if __name__ == "__main__":
    main()
