# `python -m mlx_embeddings`: the program.
from .program import main

main()
