# How alike vectors are: the functions that sentence-transformers names, quantisation, and MaxSim.
"""Similarities of collections of vectors, and vectors of fewer bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _core
from .arrays import to_numpy
from .texts import expect_iterable

SIMILARITIES = ("cosine", "dot", "euclidean", "manhattan")
PRECISIONS = ("float32", "int8", "uint8", "binary", "ubinary")


def _rows(vectors: Any) -> np.ndarray:
    found = np.atleast_2d(to_numpy(vectors, "embeddings"))
    if found.ndim != 2:
        raise ValueError(f"embeddings have the shape {found.shape}, wanted [count, dimensions]")
    return found.astype(np.float32, copy=False)


def _units(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(lengths, 1e-12)


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[a, b]: Euclidean. In float64, as the difference of two sums of squares keeps few digits of near vectors."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    squares = (a * a).sum(1)[:, np.newaxis] + (b * b).sum(1) - 2 * (a @ b.T)
    return np.sqrt(np.maximum(squares, 0)).astype(np.float32)


def _check_function(function: str) -> None:
    if function not in SIMILARITIES:
        raise ValueError(f"the similarity is {function!r}, wanted one of {', '.join(map(repr, SIMILARITIES))}")


def similarity(left: Any, right: Any, function: str = "cosine") -> np.ndarray:
    """[a, b], float32: how alike each row of `left` [a, dimensions] is to each of `right` [b, dimensions].

    :param function: "cosine", "dot", or "euclidean" and "manhattan": the negative of a distance
    """
    _check_function(function)
    a, b = _rows(left), _rows(right)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"embeddings have {a.shape[1]} and {b.shape[1]} dimensions, wanted the same of both")
    if function == "cosine":
        return _units(a) @ _units(b).T
    if function == "dot":
        return a @ b.T
    if function == "euclidean":
        return -_distances(a, b)
    return -np.stack([np.abs(b - row).sum(1) for row in a]) if len(a) else np.zeros((0, len(b)), np.float32)


def similarity_pairwise(left: Any, right: Any, function: str = "cosine") -> np.ndarray:
    """[n], float32: how alike the rows of `left` are to those of `right`, one by one; both are [n, dimensions].

    :param function: as for `similarity`
    """
    _check_function(function)
    a, b = _rows(left), _rows(right)
    if a.shape != b.shape:
        raise ValueError(f"embeddings have the shapes {a.shape} and {b.shape}, wanted the same of both")
    if function == "cosine":
        return (_units(a) * _units(b)).sum(1)
    if function == "dot":
        return (a * b).sum(1)
    if function == "euclidean":
        return -np.linalg.norm(a - b, axis=1)
    return -np.abs(a - b).sum(1)


def token_lists(vectors: Any) -> list[Any]:
    """The vectors of several texts' tokens, also where those of one text came alone."""
    return [vectors] if isinstance(vectors, np.ndarray) and vectors.ndim == 2 else list(vectors)


def maxsim(queries: Any, documents: Any) -> np.ndarray:
    """[queries, documents]: late interaction, for each vector of a query the best of a document's, summed.

    Each side is a list of arrays [tokens, dimensions], or one padded array of which rows of zeros do not count.
    """
    for name, given in (("queries", queries), ("documents", documents)):
        expect_iterable(given, name, "arrays [tokens, dimensions]")
    return _core.maxsim([_tokens(q) for q in queries], [_tokens(d) for d in documents])


def _tokens(vectors: Any) -> np.ndarray:
    found = np.ascontiguousarray(to_numpy(vectors, "vectors"), dtype=np.float32)
    if found.ndim != 2:
        raise ValueError(f"a text's vectors have the shape {found.shape}, wanted [tokens, dimensions]")
    counts = found.any(axis=1)
    return found if counts.all() else np.ascontiguousarray(found[counts])


def quantize_embeddings(
    embeddings: Any,
    precision: str,
    ranges: Any = None,
    calibration_embeddings: Any = None,
) -> np.ndarray:
    """Vectors of fewer bits, as sentence-transformers makes them.

    :param precision: "int8" and "uint8" divide each dimension's range into 256 steps; "binary" and "ubinary" keep the
        signs, eight in a byte
    :param ranges: [2, dimensions], the smallest and largest values; else those of `calibration_embeddings`, else those
        of the embeddings themselves
    """
    rows = _rows(embeddings)
    if precision == "float32":
        return rows
    if precision in ("int8", "uint8"):
        if ranges is None:
            sample = rows if calibration_embeddings is None else _rows(calibration_embeddings)
            ranges = np.stack([sample.min(0), sample.max(0)]) if len(sample) else np.zeros((2, rows.shape[1]))
        low, high = to_numpy(ranges, "ranges").astype(np.float32)
        steps = np.where(high > low, (high - low) / 255, 1)
        scaled = np.clip(np.floor((rows - low) / steps), 0, 255)
        return scaled.astype(np.uint8) if precision == "uint8" else (scaled - 128).astype(np.int8)
    if precision in ("binary", "ubinary"):
        bits = np.packbits(rows > 0, axis=-1)
        return bits if precision == "ubinary" else (bits.astype(np.int16) - 128).astype(np.int8)
    raise ValueError(f"the precision is {precision!r}, wanted one of {', '.join(map(repr, PRECISIONS))}")
