# The exceptions of the package; each is also the built-in kind that fits it.
"""Every failure of the engine is an `Error`; its class says what a caller can do about it."""

from __future__ import annotations


class Error(Exception):
    """A failure of the engine. The message names the thing, what was found and what was wanted."""

    item: int | None = None
    """The input that it is about, counted from 0 in the call's own order."""


class InvalidInputError(Error, ValueError):
    """An argument or an input text is not acceptable."""


class TooLongError(InvalidInputError):
    """An input has more tokens than allowed, and the caller asked for an error."""


class ModelNotFoundError(Error, FileNotFoundError):
    """No folder, cache entry or alias of that name."""


class CorruptModelError(Error, ValueError):
    """A file of the model is missing, damaged or contradicts another."""


class UnsupportedError(Error, ValueError):
    """A valid request or model that this build cannot serve."""


class FileError(Error, OSError):
    """Reading or writing a file failed."""


class OutOfMemoryError(Error, MemoryError):
    """An allocation failed; nothing was half-done."""


class NonFiniteError(Error, ArithmeticError):
    """A result held NaN or infinity and was withheld."""


class CancelledError(Error, RuntimeError):
    """A call was stopped."""


class InternalError(Error, RuntimeError):
    """A bug of the engine."""
