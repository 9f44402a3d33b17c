"""The progress bar: on a terminal, for long work, and nowhere else."""

import os
import pty
import re
import subprocess
import time

import pytest

BAR = re.compile(r"\d+ texts  \d+ tokens/s")


def stderr_of_work(binary, model, pause, *flags, terminal=True, **env):
    """What stderr shows of a run whose input pauses between two windows, and how long it took after loading."""
    reader, writer = pty.openpty() if terminal else os.pipe()
    command = [binary, "embed", "-m", model, "-i", "-", "-v", *flags]
    clean = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=writer, text=True,
                          env={**clean, **env}) as process:
        os.close(writer)
        process.stdin.write("a\n")
        process.stdin.flush()
        shown = b""
        while "-q" not in flags and b"loaded" not in shown:
            shown += os.read(reader, 65536)
        start = time.monotonic()
        time.sleep(pause)  # the bar is about time: nothing else makes it appear
        process.stdin.write("b\n" * 300)
        process.stdin.close()
        try:
            while chunk := os.read(reader, 65536):
                shown += chunk
        except OSError:
            pass  # Linux ends a terminal whose other side is closed with EIO
        seconds = time.monotonic() - start
    os.close(reader)
    assert process.returncode == 0
    return shown.decode(), seconds


def test_bar_on_a_terminal(binary, model):
    shown, _ = stderr_of_work(binary, model, 1.2)
    assert BAR.search(shown)
    assert "\x1b[32m" in shown
    assert re.search(r"\r +\r", shown)  # wiped when done


def test_no_color_is_honoured(binary, model):
    shown, _ = stderr_of_work(binary, model, 1.2, NO_COLOR="1")
    assert BAR.search(shown)
    assert "\x1b" not in shown


@pytest.mark.parametrize("flags, terminal", [((), False), (("-q",), True)])
def test_no_bar_when_piped_or_quiet(binary, model, flags, terminal):
    shown, _ = stderr_of_work(binary, model, 1.2, *flags, terminal=terminal)
    assert not BAR.search(shown)
    assert shown == "" or not flags


def test_no_bar_within_a_second(binary, model):
    for _ in range(5):
        shown, seconds = stderr_of_work(binary, model, 0.3)
        if seconds < 0.9:  # else the machine was too busy to tell
            break
    assert seconds < 0.9
    assert not BAR.search(shown)
