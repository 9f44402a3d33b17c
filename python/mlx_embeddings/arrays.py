# Arrays of other libraries: in as numpy arrays, out as the kind that was asked for.
"""Conversions between numpy, mlx and torch. Neither mlx nor torch is imported unless its arrays are wanted."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import NonFiniteError

FRAMEWORKS = ("mlx", "np", "pt")

# The least float32 that rounds to infinity: half a step above the largest number of the type.
_OVERFLOW = {"float16": 65520.0, "bfloat16": float.fromhex("0x1.FFp127")}


def has_mlx() -> bool:
    """Whether `mlx.core` can be imported."""
    try:
        import mlx.core  # noqa: F401
    except ImportError:
        return False
    return True


def to_numpy(value: Any, name: str = "array") -> np.ndarray:
    """Any array or nested list as a numpy array; without a copy where its library allows it."""
    if isinstance(value, np.ndarray):
        return value
    if value is None or isinstance(value, (str, bytes, dict)):
        raise TypeError(f"{name} is {type(value).__name__}, wanted an array")
    module = type(value).__module__.partition(".")[0]
    if module == "torch":
        value = value.detach().cpu()
        return (value.float() if value.is_floating_point() else value).numpy()
    if module == "mlx" and "bfloat16" in str(value.dtype):  # numpy has no such type
        import mlx.core as mx

        value = value.astype(mx.float32)
    try:
        found = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} is no rectangular array: {error}") from None
    if found.dtype == object and hasattr(value, "__dlpack__"):
        try:
            return np.from_dlpack(value)
        except (BufferError, RuntimeError, TypeError) as error:
            kind = type(value).__name__
            raise TypeError(f"{name} is {kind}, which numpy cannot read: {error}; hand over a copy on the CPU") from error
    if found.dtype == object:
        raise TypeError(f"{name} holds {type(found.flat[0]).__name__ if found.size else 'nothing'}, wanted numbers")
    return found


def to_framework(array: np.ndarray, framework: str | None) -> Any:
    """The array as "mlx", "np" or "pt" (torch) calls it."""
    if framework in (None, "np"):
        return array
    if framework == "mlx":
        try:
            import mlx.core as mx
        except ImportError as error:
            raise ImportError(f"mlx arrays want the package mlx, which cannot be imported: {error}") from error
        return mx.array(array)
    if framework == "pt":
        try:
            import torch
        except ImportError as error:
            raise ImportError(f"torch tensors want the package torch, which cannot be imported: {error}") from error
        return torch.from_numpy(np.ascontiguousarray(array))
    raise ValueError(f"return_tensors is {framework!r}, wanted one of {', '.join(map(repr, FRAMEWORKS))}")


def to_tensors(found: Any) -> Any:
    """The same with torch's tensors in the places of numpy's arrays, in lists and dictionaries too."""
    if isinstance(found, dict):
        return {name: to_tensors(value) for name, value in found.items()}
    if isinstance(found, list):
        return [to_tensors(item) for item in found]
    return to_framework(found, "pt") if isinstance(found, np.ndarray) else found


def to_result(array: np.ndarray, dtype: str = "float32") -> Any:
    """What a model's call gives: an `mx.array` of this type where mlx is installed, else the numpy array itself.

    :param array: float32; each number is rounded once, to the nearest, ties to even
    :param dtype: "float32", "float16" or "bfloat16"
    :raises NonFiniteError: if a number is too large for the type
    """
    if not has_mlx():
        return array
    limit = _OVERFLOW.get(dtype)
    if limit is not None and array.size and max(array.max(), -array.min()) >= limit:
        raise NonFiniteError(
            f"a result holds {max(array.max(), -array.min())}, too large for the checkpoint's type {dtype}; "
            "Embedder and Engine give float32"
        )
    import mlx.core as mx

    # Not astype: its work waits for whoever reads the array, who may be in a thread that cannot do it.
    return mx.array(array, dtype=getattr(mx, dtype))


def expect_token_ids(found: np.ndarray, name: str) -> None:
    """:raises ValueError: for integers that no token id can be; which ids a model has is the engine's to check"""
    limits = np.iinfo(np.int32)
    for extreme in (int(found.min()), int(found.max())) if found.size else ():
        if not limits.min <= extreme <= limits.max:
            raise ValueError(f"{name} holds {extreme}, which is no token id")


def token_matrix(value: Any, name: str = "input_ids") -> np.ndarray:
    """Token ids as the engine takes them: int32, [batch, seq], C-ordered; a copy, so what becomes of `value` is no matter."""
    found = to_numpy(value, name)
    if found.ndim != 2:
        raise ValueError(f"{name} must be 2D [batch, seq], got shape {found.shape}.")
    if found.dtype == bool or not np.issubdtype(found.dtype, np.integer):
        if found.size:
            raise TypeError(f"{name} holds {found.dtype}, wanted integers")
        found = found.astype(np.int32)
    expect_token_ids(found, name)
    return np.array(found, dtype=np.int32, order="C")


def mask_matrix(value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """An attention mask of any type as int32 of 0 and 1, a copy; other numbers are refused."""
    found = to_numpy(value, "attention_mask")
    if found.shape != shape:
        raise ValueError(f"attention_mask shape must match input_ids shape. Got {found.shape} and {shape}.")
    if found.dtype.kind not in "biuf":
        raise TypeError(f"attention_mask holds {found.dtype}, wanted numbers")
    if not ((found == 0) | (found == 1)).all():
        raise ValueError("attention_mask holds other numbers than 0 (padding) and 1 (a token)")
    return np.array(found, dtype=np.int32, order="C")
