# Two processes, caches that cannot be written, full disks.
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import pytest
from hub_cache import MB, MODEL, holds, kept, model, snapshots, wait_for


# Row 26: two processes.


def test_two_processes_share_one_download(hub, start, cache):
    files = model(size=900_000)
    hub.add("org/name", files)
    fault = hub.fault("model.safetensors", "stall", after=1000)
    first = start("download", "org/name")
    wait_for(fault.met.is_set)
    second = start("download", "org/name")
    wait_for(lambda: sum(one.path.startswith("/api/") for one in hub.requests) == 2)
    time.sleep(0.3)  # it comes to the lock
    fault.go.set()
    for process in (first, second):
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
    assert "another process is downloading model.safetensors" in err
    assert len(hub.gets("store")) == 1
    assert holds(snapshots(cache)[0], files)


def test_the_second_goes_on_when_the_first_is_killed(hub, start, cache):
    files = model(size=900_000)
    hub.add("org/name", files)
    fault = hub.fault("model.safetensors", "stall", after=1000)
    first = start("download", "org/name")
    wait_for(fault.met.is_set)
    second = start("download", "org/name")
    wait_for(lambda: sum(one.path.startswith("/api/") for one in hub.requests) == 2)
    first.kill()
    assert second.wait(timeout=30) == 0
    fault.go.set()
    assert holds(snapshots(cache)[0], files)


def test_a_lock_left_behind_is_no_block(hub, download, cache):
    hub.add("org/name", model())
    _, content = kept(cache, hub)
    lock = cache / ".locks" / "models--org--name" / f"{content.hash}.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    download()


# Row 27: a cache that cannot be written, a full disk.


def frozen(folder):
    """Takes away all rights to write; a bind mount or another user would do the same."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)


def thaw(folder):
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | 0o200)


# Root may write everywhere, so the program is run as somebody who may not.
AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []


@pytest.fixture
def tmp_path():
    """A folder that others may enter: pytest closes its own to them, again with every pytest that starts beside it."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def as_reader(binary, environment, tmp_path):
    """Runs a copy of the program, as the build tree may be one that only its owner reads."""
    program = shutil.copy(binary, tmp_path / "program")

    def call(*arguments, **env):
        command = [*AS_NOBODY, program, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**environment, **env})

    return call


def test_a_complete_cache_that_is_read_only(hub, run, as_reader, cache):
    hub.add_folder("org/name", MODEL)
    assert run("download", "org/name").returncode == 0
    frozen(cache)
    try:
        result = as_reader("embed", "-m", "org/name", "a")
        assert result.returncode == 0, result.stderr
        result = as_reader("download", "org/name")
        assert result.returncode == 0, result.stderr
    finally:
        thaw(cache)


def test_an_incomplete_cache_that_is_read_only(hub, run, as_reader, cache):
    hub.add("org/name", model())
    cache.mkdir(parents=True)
    frozen(cache)
    try:
        result = as_reader("download", "org/name")
        assert result.returncode == 4
        assert str(cache) in result.stderr
    finally:
        thaw(cache)


def test_a_disk_without_room_is_told_before(hub, refused, cache):
    hub.add("org/name", model())
    hub.fault("model.safetensors", "claimed_size", times=-1, size=10**17)
    refused("it needs 1000000000000", "HF_HUB_CACHE", code=4)
    assert hub.gets("store") == []


def test_a_full_disk(hub, binary, environment, cache):
    files = model(size=5 * MB)
    hub.add("org/name", files)
    command = ["bash", "-c", 'ulimit -f 2048; exec "$0" download org/name', str(binary)]  # 2 MB a file
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert result.returncode == 4, result.stderr
    assert "cannot write" in result.stderr and "bytes were still to come" in result.stderr
    assert not snapshots(cache)
    path, _ = kept(cache, hub)
    assert path.read_bytes() == files["model.safetensors"][:2 * MB]
    assert subprocess.run([binary, "download", "org/name"], env=environment, capture_output=True).returncode == 0
    assert holds(snapshots(cache)[0], files)


def test_a_blob_cut_short_is_downloaded_again(hub, download, cache):
    files = model()
    hub.add("org/name", files)
    download()
    path, content = kept(cache, hub)
    os.truncate(path.parent / content.hash, 1000)
    download()
    assert holds(snapshots(cache)[0], files)
