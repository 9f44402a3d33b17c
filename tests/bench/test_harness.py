"""What the measuring scripts share."""

import itertools
import os
import resource
import sys

import pytest

import harness


def test_last_object_skips_the_talk_before_it():
    assert harness.last_object('loading...\n{"a": 1}\nwarning: x\n{"a": 2}\n\n') == {"a": 2}


@pytest.mark.parametrize("output, said", [("", "no output"), ("{}\nbye", "no JSON: 'bye'"), ("[1]", "no JSON object")])
def test_last_object_says_what_it_found(output, said):
    with pytest.raises(ValueError, match=said.replace("[", r"\[")):
        harness.last_object(output)


def test_peers_do_not_see_the_settings_that_slow_them(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("KEPT", "1")
    environment = harness.clean_environment()
    assert "OPENBLAS_CORETYPE" not in environment and environment["KEPT"] == "1"


def test_failed_command_shows_its_last_words():
    with pytest.raises(RuntimeError, match="ended with 3: it broke"):
        harness.run([sys.executable, "-c", "import sys; sys.stderr.write('it broke'); sys.exit(3)"])


def test_own_work_does_not_count_as_others(monkeypatch):
    def children():
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    command = [sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass"]
    monkeypatch.setattr(harness, "busy_seconds", children)
    assert harness.run(command).others == pytest.approx(0)

    readings = iter([0.0, 100.0])
    monkeypatch.setattr(harness, "busy_seconds", lambda: children() + next(readings))
    done = harness.run(command)
    assert done.others == pytest.approx(100 / done.seconds / os.cpu_count(), rel=0.01)


def test_waiting_ends_when_the_machine_is_quiet_or_time_is_up(monkeypatch):
    monkeypatch.setattr(harness.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(harness, "busy_seconds", lambda: 5.0)
    assert harness.wait_until_quiet(limit_s=60)
    clock = itertools.count()
    monkeypatch.setattr(harness, "busy_seconds", lambda: float(next(clock)))
    assert not harness.wait_until_quiet(limit_s=0.001)
