# The command `mlx_embeddings` of an installed package: hands over to the program that came with it.
"""`python -m mlx_embeddings` and the script of the same name."""

import os
import pathlib
import sys


def program_path() -> pathlib.Path:
    """The C++ program of this installation."""
    here = pathlib.Path(__file__).absolute().parent
    for path in (here / "bin" / "mlx_embeddings", here.parent.parent / "bin" / "mlx_embeddings"):
        if path.is_file():
            return path
    raise FileNotFoundError(f"no program mlx_embeddings in {here / 'bin'}; the package was installed without it")


def main() -> None:
    path = str(program_path())
    os.execv(path, [path, *sys.argv[1:]])


if __name__ == "__main__":
    main()
