# `python -m mlx_embeddings.convert`: hands over to the program's own command.
"""The module and the function of mlx-embeddings share one name: `mlx_embeddings.convert` is callable either way."""

import sys
import types
from typing import Any, NoReturn

from .conversion import convert
from .program import run

__all__ = ["convert", "main"]


class _CallableModule(types.ModuleType):
    """Importing this module puts it in the place of the function of the same name."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        return convert(*args, **options)


sys.modules[__name__].__class__ = _CallableModule


def main() -> NoReturn:
    run("convert", *sys.argv[1:])


if __name__ == "__main__":
    main()
