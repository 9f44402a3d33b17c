# Every fault of a hub or of the way to it: the right result or the right error, and nothing half-written.
import json
import os
import subprocess
import time

import pytest
from hub_cache import MODEL, blobs, holds, incomplete, interrupt, model, repository, snapshots, wait_for

MB = 1 << 20


def kept(cache, hub, name="model.safetensors"):
    """The .incomplete file of a large file, and what it should become."""
    content = next(iter(hub.repositories["org/name"].commits.values()))[name]
    return repository(cache) / "blobs" / f"{content.hash}.incomplete", content


# Row 18: the connection breaks.


def test_a_broken_connection_goes_on_at_the_byte(hub, download, cache):
    files = model(size=900_000)
    hub.add("org/name", files)
    hub.fault("model.safetensors", "drop", after=123_457)
    download()
    assert holds(snapshots(cache)[0], files)
    ranges = [one.range for one in hub.requests if one.server == "store"]
    assert ranges == [None, "bytes=123457-899999"]
    assert [one.headers.get("if-range") is not None for one in hub.requests if one.server == "store"] == [False, True]


def test_a_small_file_goes_on_with_its_hash_as_condition(hub, download, cache):
    files = model(**{"tokenizer.json": b"t" * 9000})
    hub.add("org/name", files)
    hub.fault("tokenizer.json", "drop", after=4000)
    download()
    assert holds(snapshots(cache)[0], files)
    again = [one for one in hub.requests if one.range and "tokenizer" in one.path]
    assert [one.range for one in again] == ["bytes=4000-8999"]
    assert again[0].headers["if-range"].strip('"') in blobs(cache)


def test_many_breaks_are_no_failure_while_something_arrives(hub, download, cache):
    files = model(size=900_000)
    hub.add("org/name", files)
    hub.fault("model.safetensors", "drop", times=8, after=100_000)
    download()
    assert holds(snapshots(cache)[0], files)


def test_a_break_without_gain_is_tried_five_times(hub, refused, cache):
    hub.add("org/name", model())
    hub.fault("model.safetensors", "drop", times=-1, after=0)
    refused("'model.safetensors' of 'org/name' cannot be downloaded", "run it again to go on", code=4)
    assert len(hub.gets("store")) == 5


def test_the_next_run_goes_on_at_the_byte(hub, run, download, cache):
    files = model(size=900_000)
    hub.add("org/name", files)
    fault = hub.fault("model.safetensors", "drop", after=500_000)
    # The store breaks down for good after half of it.
    hub.fault("model.safetensors", "drop", times=-1, after=0)
    assert run("download", "org/name").returncode == 4
    assert fault.met.is_set()
    path, content = kept(cache, hub)
    assert path.read_bytes() == files["model.safetensors"][:500_000]
    assert not snapshots(cache)
    hub.faults.clear()
    hub.requests.clear()
    told = download().stdout
    assert f'"downloaded_bytes": {400_000}' in told
    assert [one.range for one in hub.requests if one.server == "store"] == ["bytes=500000-899999"]
    assert holds(snapshots(cache)[0], files)
    assert incomplete(cache) == []


def test_ranges_side_by_side_survive_breaks(hub, download, cache):
    files = model(size=70 * MB)
    hub.add("org/name", files)
    hub.fault("model.safetensors", "drop", times=6, after=3 * MB + 5)
    download()
    assert holds(snapshots(cache)[0], files)


def test_ctrl_c_keeps_what_arrived(hub, start, download, cache):
    files = model(size=900_000)
    hub.add("org/name", files)
    fault = hub.fault("model.safetensors", "stall", after=300_000)
    process = start("download", "org/name")
    wait_for(fault.met.is_set)
    path, _ = kept(cache, hub)
    wait_for(path.exists)
    time.sleep(0.3)  # let what was sent arrive; how much did is what the next run asks on from
    _, err = interrupt(process)
    assert process.returncode == 130
    assert "interrupted" in err
    assert path.read_bytes() == files["model.safetensors"][:300_000]
    assert not snapshots(cache)
    hub.requests.clear()
    fault.go.set()
    download()
    assert [one.range for one in hub.requests if one.server == "store"] == ["bytes=300000-899999"]
    assert holds(snapshots(cache)[0], files)


def test_a_killed_download_leaves_a_right_beginning(hub, start, download, cache):
    files = model(size=40 * MB)
    hub.add("org/name", files)
    fault = hub.fault("model.safetensors", "stall", after=10 * MB)
    process = start("download", "org/name")
    path, _ = kept(cache, hub)
    wait_for(lambda: fault.met.is_set() and path.exists() and path.stat().st_size >= 5 * MB)
    process.kill()
    process.wait()
    fault.go.set()
    size = path.stat().st_size
    assert path.read_bytes() == files["model.safetensors"][:size]
    hub.requests.clear()
    download()
    assert hub.requests[-1].server == "store"
    assert f"bytes={size}-" in next(one.range for one in hub.requests if one.server == "store")
    assert holds(snapshots(cache)[0], files)


def test_a_stalled_server_is_tried_again(hub, download, cache):
    files = model()
    hub.add("org/name", files)
    hub.fault("model.safetensors", "stall", after=1000)
    download(env={"HF_HUB_DOWNLOAD_TIMEOUT": "1"})
    assert holds(snapshots(cache)[0], files)


# Row 19: ranges that are none.


def begin(cache, hub, count, content=None):
    """Leaves a beginning, as an interrupted download does."""
    path, whole = kept(cache, hub)
    path.parent.mkdir(parents=True)
    path.write_bytes((whole.bytes if content is None else content)[:count])


@pytest.mark.parametrize("kind", ["no_range", "refuse_range", "bad_range"])
def test_without_ranges_it_starts_over(hub, download, cache, kind):
    files = model(size=900_000)
    hub.add("org/name", files)
    begin(cache, hub, 400_000)
    hub.fault("model.safetensors", kind)
    download()
    assert holds(snapshots(cache)[0], files)
    assert incomplete(cache) == []


def test_a_server_without_ranges(hub, download, cache):
    files = model(size=40 * MB)
    hub.add("org/name", files)
    hub.fault("model.safetensors", "no_range", times=-1)
    hub.fault("model.safetensors", "drop", after=20 * MB)
    download()
    assert holds(snapshots(cache)[0], files)


def test_ranges_that_end_midway(hub, download, cache):
    files = model(size=70 * MB)
    hub.add("org/name", files)
    stalled = hub.fault("model.safetensors", "stall", after=MB)  # the first range: the others then come without ranges
    stalled.go.set()
    hub.fault("model.safetensors", "refuse_range", times=1)
    download()
    assert holds(snapshots(cache)[0], files)


def test_all_of_it_was_there(hub, download, cache):
    files = model(size=900_000)
    hub.add("org/name", files)
    begin(cache, hub, 900_000)
    download()
    assert hub.gets("store") == []
    assert holds(snapshots(cache)[0], files)


@pytest.mark.parametrize("content", [bytes(500_000), bytes(900_000), bytes(2_000_000)], ids=["other", "whole", "longer"])
def test_a_wrong_beginning_is_noticed(hub, run, cache, content):
    files = model(size=900_000)
    hub.add("org/name", files)
    begin(cache, hub, len(content), content)
    result = run("download", "org/name")
    assert result.returncode == 0, result.stderr
    assert ("wrong hash" in result.stderr) == (len(content) <= 900_000)
    assert holds(snapshots(cache)[0], files)


# Row 20: it changes meanwhile.


def test_a_branch_that_moves_during_the_download(hub, start, cache):
    files = model(size=900_000)
    sha = hub.add("org/name", files)
    fault = hub.fault("model.safetensors", "stall", after=1000)
    process = start("download", "org/name")
    wait_for(fault.met.is_set)
    hub.add("org/name", model(size=900_000, seed=9, **{"config.json": b"new"}))
    fault.go.set()
    assert process.wait(timeout=30) == 0
    assert [folder.name for folder in snapshots(cache)] == [sha]
    assert holds(snapshots(cache)[0], files)
    assert all(sha in one.path for one in hub.requests if "/resolve/" in one.path)


def test_an_answer_about_another_commit_is_asked_for_again(hub, download, cache):
    files = model()
    hub.add("org/name", files)
    hub.fault("config.json", "other_commit")
    download()
    assert holds(snapshots(cache)[0], files)


def test_answers_about_another_commit_are_not_taken(hub, refused):
    hub.add("org/name", model())
    hub.fault("config.json", "other_commit", times=-1)
    refused("another commit", code=4)


# Row 21: wrong content.


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_wrong_content_is_downloaded_again(hub, run, cache, file):
    files = model()
    hub.add("org/name", files)
    hub.fault(file, "wrong_bytes")
    result = run("download", "org/name")
    assert result.returncode == 0
    assert f"{file} arrived with the wrong hash; downloading it again" in result.stderr
    assert holds(snapshots(cache)[0], files)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_content_that_is_wrong_twice_is_refused(hub, refused, cache, file):
    hub.add("org/name", model())
    content = next(iter(hub.repositories["org/name"].commits.values()))[file]
    hub.fault(file, "wrong_bytes", times=2)
    refused(f"'{file}' of 'org/name' was downloaded twice", content.hash, code=3)
    assert content.hash not in blobs(cache)
    assert incomplete(cache) == []


# Row 22: the hub wants a pause.


@pytest.mark.parametrize("target", ["list", "config.json", "model.safetensors", "store"])
@pytest.mark.parametrize("code", [429, 503])
def test_a_pause_is_made(hub, run, cache, target, code):
    files = model()
    hub.add("org/name", files)
    hub.fault(target, "status", code=code, retry_after=1)
    start = time.monotonic()
    result = run("download", "org/name")
    assert result.returncode == 0, result.stderr
    assert time.monotonic() - start >= 1
    assert f"answers {code}" in result.stderr and "in 1 s" in result.stderr
    assert holds(snapshots(cache)[0], files)


@pytest.mark.parametrize("target", ["list", "model.safetensors"])
def test_a_pause_that_is_too_long_is_an_error(hub, refused, target):
    hub.add("org/name", model())
    hub.fault(target, "status", times=-1, code=429, retry_after=3600)
    refused("429", "3600 s", "HF_TOKEN", code=4)


def test_errors_that_stay_are_told(hub, refused):
    hub.add("org/name", model())
    hub.fault("list", "status", times=-1, code=500)
    refused("answers 500", "'org/name'", code=4)


# Row 23: what is not there, and what is not for everybody.


def test_missing_repository(hub, refused):
    refused("there is no model 'org/nane'", hub.url, "HF_TOKEN", code=3, name="org/nane")


def test_missing_repository_suggests_a_name(hub, refused):
    refused("did you mean 'qwen3-embedding'?", code=3, name="qwen3-embeding")


def test_missing_revision(hub, refused):
    hub.add("org/name", model())
    refused("'org/name' has no revision 'v9'", code=3, flags=("--revision", "v9"))


def test_missing_file(hub, refused, cache):
    hub.add("org/name", model())
    hub.fault("tokenizer.json", "missing", times=-1)
    refused("'org/name' has no file 'tokenizer.json'", code=3)


def test_gated_without_a_token(hub, refused):
    hub.add("org/name", model())
    hub.repositories["org/name"].gated = True
    refused("'org/name' is gated", "HF_TOKEN", f"{hub.url}/org/name", code=3)


def test_gated_with_a_token(hub, run, cache):
    files = model()
    hub.add("org/name", files)
    hub.repositories["org/name"].gated = True
    hub.tokens.add("hf_right")
    result = run("download", "org/name", env={"HF_TOKEN": "hf_right"})
    assert result.returncode == 0, result.stderr
    assert holds(snapshots(cache)[0], files)


def test_a_wrong_token(hub, refused):
    hub.add("org/name", model())
    refused("refuses the token", code=3, env={"HF_TOKEN": "hf_wrong"})


def test_token_of_a_file(hub, run, home, cache):
    hub.add("org/name", model())
    hub.repositories["org/name"].gated = True
    hub.tokens.add("hf_file")
    home.mkdir()
    (home / "token").write_text("hf_file\n")
    assert run("download", "org/name", env={"HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}).returncode == 3
    assert run("download", "org/name").returncode == 0


def test_a_pointer_in_place_of_the_weights(hub, refused):
    hub.add("org/name", model())
    hub.fault("model.safetensors", "pointer", times=-1)
    refused("git-LFS pointer", "'model.safetensors'", code=3)


def test_a_pointer_that_was_committed(hub, refused, cache):
    hub.add("org/name", model(**{"model.safetensors": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"}))
    refused("git-LFS pointer", code=3)
    assert incomplete(cache) == []


def test_a_repository_without_safetensors(hub, refused):
    files = model(**{"pytorch_model.bin": b"pickle"})
    del files["model.safetensors"]
    hub.add("org/name", files)
    refused("pytorch_model.bin", "safetensors", "refs/pr/1", code=3)


# Row 24: redirects.


def test_the_token_stays_with_the_hub(hub, run):
    hub.add("org/name", model(size=40 * MB))
    hub.tokens.add("hf_right")
    assert run("download", "org/name", env={"HF_TOKEN": "hf_right"}).returncode == 0
    sent = {one.server: one.headers.get("authorization") for one in hub.requests}
    assert sent == {"hub": "Bearer hf_right", "store": None}


def test_an_address_that_expired_is_asked_for_again(hub, download, cache):
    files = model(size=70 * MB)
    hub.add("org/name", files)
    hub.fault("model.safetensors", "drop", after=MB)
    expired = hub.fault("model.safetensors", "expired")
    download()
    assert expired.met.is_set()
    assert holds(snapshots(cache)[0], files)


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
def as_reader(binary, environment, tmp_path):
    def call(*arguments, **env):
        command = [*AS_NOBODY, str(binary), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**environment, **env})

    if AS_NOBODY:
        for folder in [tmp_path, *tmp_path.parents]:
            if folder.stat().st_uid == 0 and folder != folder.parent and folder.name != "tmp":
                folder.chmod(folder.stat().st_mode | 0o055)
        probe = subprocess.run([*AS_NOBODY, str(binary), "--version"], capture_output=True, text=True)
        assert probe.returncode == 0, probe.stderr
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


# Names that lead elsewhere.


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "C:\\evil", "C:evil", "\\\\host\\evil", "..\\evil", "a\\..\\b",
                                  "a//b", "a/./b", "a/../b", "a\nb"])
def test_unsafe_names_of_an_index(hub, refused, name, tmp_path):
    index = f'{{"weight_map": {{"a": {json.dumps(name + ".safetensors")}}}}}'.encode()
    files = model(**{"model.safetensors.index.json": index, name + ".safetensors": b"evil"})
    del files["model.safetensors"]
    hub.add("org/name", files)
    refused("wanted a file of the repository", code=3)
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("name", ["..", "../x", "/x", "C:", "x\\y"])
def test_unsafe_folders_of_modules(hub, refused, name):
    modules = json.dumps([{"path": name}]).encode()
    hub.add("org/name", model(**{"modules.json": modules, name + "/config.json": b"{}"}))
    refused("wanted a folder of the repository", code=3)


def test_unsafe_file_in_a_module(hub, refused, tmp_path):
    hub.add("org/name", model(**{"modules.json": b'[{"path": "1_Pooling"}]',
                                 "1_Pooling/../../../../../evil/config.json": b"{}"}))
    refused("a name that leads out of its folder", code=3)
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("name", ["org/name@../x", "org/name@a..b", "org/na..me", "org/name@", "hf://org/name/x"])
def test_unsafe_names_of_models(hub, run, name):
    result = run("download", name)
    assert result.returncode in (2, 3)
    assert hub.requests == []


@pytest.mark.parametrize("endpoint", ["ftp://127.0.0.1/", "file:///etc", "huggingface.co", "http://a b/"])
def test_unsafe_endpoints(run, endpoint):
    result = run("download", "org/name", env={"HF_ENDPOINT": endpoint})
    assert result.returncode == 2
    assert "HF_ENDPOINT" in result.stderr


def test_a_token_that_would_add_a_header(hub, run):
    result = run("download", "org/name", env={"HF_TOKEN": "a\r\nX-Evil: 1"})
    assert result.returncode == 2
    assert hub.requests == []
