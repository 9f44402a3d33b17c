# A progress bar of its own: one line on standard error, where that is a terminal.
"""`progress_bar`: what `show_progress_bar` shows."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

_WIDTH = 30
_QUIET_SECONDS = 1.0


@contextlib.contextmanager
def progress_bar(total: int, wanted: bool | None) -> Iterator[Callable[[int, int, int], None] | None]:
    """Gives the callback of one call.

    :param wanted: None shows a bar on a terminal, for work of more than a second; True always; False never
    """
    if wanted is False or total == 0 or (wanted is None and not sys.stderr.isatty()):
        yield None
        return
    began = time.monotonic()
    shown = False

    def show(done: int, of: int, tokens: int) -> None:
        nonlocal shown
        elapsed = time.monotonic() - began
        if wanted is None and elapsed < _QUIET_SECONDS:
            return
        shown = True
        filled = _WIDTH * done // max(of, 1)
        bar = "#" * filled + "." * (_WIDTH - filled)
        rate = f", {tokens / elapsed:.0f} tokens/s" if tokens and elapsed > 0 else ""
        sys.stderr.write(f"\r[{bar}] {done}/{of} texts{rate} ")
        sys.stderr.flush()

    try:
        yield show
        if wanted and not shown:  # the call was over before it was asked how far it is
            show(total, total, 0)
    finally:
        if shown:
            sys.stderr.write("\n")
