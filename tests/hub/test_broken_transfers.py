# Connections that break and ranges that are none: it goes on at the byte, or starts over.
import time

import pytest
from hub_cache import MB, blobs, holds, incomplete, interrupt, kept, model, snapshots, wait_for


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
    begins = [int(one.range.removeprefix("bytes=").split("-")[0]) for one in hub.requests if one.server == "store"]
    assert min(begins) == size  # the ranges are asked for side by side, in any order
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
