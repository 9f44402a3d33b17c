"""The progress bar: on a terminal, for long work, and nowhere else."""

import os
import pty
import subprocess
import time

import pytest


def stderr_of_long_work(binary, model, *flags, terminal=True, **env):
    """What stderr shows of a run that takes over a second: its input pauses that long between two windows."""
    reader, writer = pty.openpty() if terminal else os.pipe()
    command = [binary, "embed", "-m", model, "-i", "-", *flags]
    clean = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=writer, text=True,
                          env={**clean, **env}) as process:
        os.close(writer)
        process.stdin.write("a\n")
        process.stdin.flush()
        time.sleep(1.5)  # the bar's patience is a second: nothing but time makes it appear
        process.stdin.write("b\n" * 300)
        process.stdin.close()
        shown = b""
        try:
            while chunk := os.read(reader, 65536):
                shown += chunk
        except OSError:
            pass  # Linux ends a terminal whose other side is closed with EIO
    os.close(reader)
    assert process.returncode == 0
    return shown.decode()


def test_bar_on_a_terminal(binary, model):
    shown = stderr_of_long_work(binary, model)
    assert "texts" in shown and "tokens/s" in shown
    assert "\x1b[32m" in shown
    assert shown.endswith("\r")  # wiped when done


def test_no_color_is_honoured(binary, model):
    shown = stderr_of_long_work(binary, model, NO_COLOR="1")
    assert "tokens/s" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("flags, terminal", [((), False), (("-q",), True)])
def test_no_bar_when_piped_or_quiet(binary, model, flags, terminal):
    assert stderr_of_long_work(binary, model, *flags, terminal=terminal) == ""


def test_short_work_shows_no_bar(binary, model):
    reader, writer = pty.openpty()
    subprocess.run([binary, "embed", "-m", model, "a"], stderr=writer, stdout=subprocess.DEVNULL, check=True)
    os.close(writer)
    try:
        shown = os.read(reader, 65536)
    except OSError:
        shown = b""
    os.close(reader)
    assert shown == b""
