# Content that changes meanwhile, or is not what it should be.
import pytest
from hub_cache import blobs, holds, incomplete, model, snapshots, wait_for


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
