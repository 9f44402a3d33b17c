# Pictures: how alike texts are, and a map of a collection. Needs matplotlib.
"""`similarity_heatmap` and `map_2d`; `pip install mlx-embeddings[plot]`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .arrays import to_numpy
from .similarity import similarity

_ANNOTATED_CELLS = 400  # numbers in more cells than these cannot be read


def _axes(axes: Any, size: tuple[float, float]) -> Any:
    if axes is not None:
        return axes
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(f"plots want matplotlib (pip install mlx-embeddings[plot]): {error}") from error
    return plt.subplots(figsize=size, layout="constrained")[1]


def similarity_heatmap(
    embeddings: Any,
    labels: Sequence[str] | None = None,
    others: Any = None,
    other_labels: Sequence[str] | None = None,
    *,
    matrix: bool = False,
    function: str = "cosine",
    title: str = "Similarity Matrix Heatmap",
    cmap: str = "coolwarm",
    axes: Any = None,
) -> Any:
    """Draws how alike vectors are to each other, or to `others`, and returns matplotlib's axes.

    :param matrix: `embeddings` are the similarities themselves, [rows, columns]
    """
    rows = np.atleast_2d(to_numpy(embeddings, "embeddings"))
    values = rows if matrix else similarity(rows, rows if others is None else others, function)
    below = other_labels if other_labels is not None else labels if others is None else None
    for name, given, count in (("labels", labels, values.shape[0]), ("other_labels", below, values.shape[1])):
        if given is not None and len(given) != count:
            raise ValueError(f"there are {len(given)} {name} for {count} of the matrix, wanted one for each")
    height, width = values.shape
    axes = _axes(axes, (2.5 + 0.6 * min(width, 40), 2 + 0.5 * min(height, 40)))
    image = axes.imshow(values, cmap=cmap, aspect="auto")
    axes.figure.colorbar(image, ax=axes)
    if below is not None:
        axes.set_xticks(range(width), below, rotation=45, ha="right")
    if labels is not None:
        axes.set_yticks(range(height), labels)
    if values.size <= _ANNOTATED_CELLS:
        middle = (float(values.min()) + float(values.max())) / 2 if values.size else 0
        spread = (float(values.max()) - float(values.min())) / 4 if values.size else 0
        for row in range(height):
            for column in range(width):
                value = float(values[row, column])
                colour = "white" if abs(value - middle) > spread else "black"
                axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=colour, fontsize="small")
    axes.set_title(title)
    return axes


def project_2d(embeddings: Any) -> np.ndarray:
    """[count, 2]: the two principal components of the vectors. The same vectors give the same picture: each axis points
    to where its largest entry is."""
    rows = np.atleast_2d(to_numpy(embeddings, "embeddings")).astype(np.float64)
    centred = rows - rows.mean(axis=0) if len(rows) else rows
    if len(rows) == 0:
        return np.zeros((0, 2))
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:2]
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    points = centred @ (axes * signs[:, np.newaxis]).T
    return np.pad(points, ((0, 0), (0, 2 - points.shape[1])))


def map_2d(
    embeddings: Any,
    labels: Sequence[str] | None = None,
    groups: Sequence[Any] | None = None,
    *,
    title: str = "Map of the collection",
    axes: Any = None,
) -> Any:
    """Draws a collection as points, alike ones near each other, and returns matplotlib's axes.

    :param labels: written beside the points
    :param groups: points of one group have one colour, and the legend names it
    """
    points = project_2d(embeddings)
    for name, given in (("labels", labels), ("groups", groups)):
        if given is not None and len(given) != len(points):
            raise ValueError(f"there are {len(given)} {name} for {len(points)} vectors, wanted one for each")
    axes = _axes(axes, (7, 6))
    if groups is None:
        axes.scatter(points[:, 0], points[:, 1])
    else:
        for group in dict.fromkeys(groups):
            chosen = np.array([other == group for other in groups])
            axes.scatter(points[chosen, 0], points[chosen, 1], label=str(group))
        axes.legend()
    for point, label in zip(points, labels or ()):
        axes.annotate(label, point, xytext=(4, 4), textcoords="offset points", fontsize="small")
    axes.set_title(title)
    axes.set_xticks([])
    axes.set_yticks([])
    return axes
