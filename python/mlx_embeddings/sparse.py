# Sparse vectors: rows of (ids, weights) as scipy's and torch's matrices, and their products.
"""What a sparse model's results become. scipy is wanted for matrices and for comparing them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Row = tuple[np.ndarray, np.ndarray, Any]
"""ids of words, their weights, a report"""


def to_matrix(rows: Sequence[Row], width: int) -> Any:
    """A `scipy.sparse.csr_array` [rows, width]; without scipy, a list of (ids, weights)."""
    try:
        from scipy.sparse import csr_array
    except ImportError:
        return [(ids, weights) for ids, weights, _ in rows]
    return csr_array(_compressed(rows), shape=(len(rows), width))


def to_tensor(rows: Sequence[Row], width: int) -> Any:
    """A sparse tensor of torch [rows, width], coalesced."""
    import torch

    weights, ids, ends = _compressed(rows)
    places = np.stack([np.repeat(np.arange(len(rows)), np.diff(ends)), ids])
    tensor = torch.sparse_coo_tensor(
        torch.from_numpy(places), torch.from_numpy(weights), (len(rows), width), check_invariants=True
    )
    return tensor.coalesce()


def dot(left: Any, right: Any) -> np.ndarray:
    """[a, b]: the products of the rows of two sparse matrices; a single row counts as a matrix of one."""
    for name, given in (("left", left), ("right", right)):
        if not hasattr(given, "tocsr"):
            raise TypeError(
                f"{name} is {type(given).__name__}, wanted a sparse matrix of scipy (pip install mlx-embeddings[sparse])"
            )
    return np.asarray((_rows(left) @ _rows(right).T).toarray())


def dot_pairwise(left: Any, right: Any) -> np.ndarray:
    """[n]: the products of the rows of two sparse matrices, one by one."""
    return np.asarray(_rows(left).multiply(_rows(right)).sum(axis=1)).ravel()


def _rows(matrix: Any) -> Any:
    return (matrix.reshape(1, -1) if matrix.ndim == 1 else matrix).tocsr()


def _compressed(rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, ids, and where each row ends, from 0 on."""
    ids = np.concatenate([row[0] for row in rows]) if rows else np.zeros(0, np.int32)
    weights = np.concatenate([row[1] for row in rows]) if rows else np.zeros(0, np.float32)
    return weights, ids, np.cumsum([0, *(len(row[0]) for row in rows)])
