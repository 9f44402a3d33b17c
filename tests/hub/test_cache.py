# verify, cache and cache delete.
import json

import pytest
from hub_cache import blobs, holds, model, repository, snapshots, wait_for


@pytest.fixture
def cached(hub, download, cache):
    files = model()
    hub.add("org/name", files)
    download()
    hub.requests.clear()
    return files


def content_of(hub, name):
    return next(iter(hub.repositories["org/name"].commits.values()))[name]


def flip(cache, hub, name):
    path = repository(cache) / "blobs" / content_of(hub, name).hash
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return path


def states(result):
    return {one["name"]: one["state"] for one in json.loads(result.stdout)["files"]}


def test_an_intact_model(hub, run, cached):
    result = run("verify", "org/name", "--output", "json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["intact"] and not told["repaired"]
    assert states(result) == {name: "intact" for name in cached}
    assert hub.requests == []
    table = run("verify", "org/name").stdout.splitlines()
    assert [line.split()[0] for line in table] == ["intact"] * 4


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_flipped_bit_is_found_and_named(hub, run, cached, cache, name):
    flip(cache, hub, name)
    result = run("verify", "org/name", "--output", "json")
    assert result.returncode == 3
    assert states(result)[name] == "corrupt"
    assert list(states(result).values()).count("intact") == 3
    assert "--repair" in result.stderr
    assert content_of(hub, name).hash in run("verify", "org/name").stdout


def test_repair_downloads_the_broken_file_alone(hub, run, cached, cache):
    flip(cache, hub, "model.safetensors")
    result = run("verify", "org/name", "--repair", "--output", "json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["intact"] and told["repaired"]
    assert "model.safetensors is corrupt; downloading it again" in result.stderr
    assert [one for one in hub.gets() if "/resolve/" in one] == [one for one in hub.gets() if "model.safetensors" in one]
    assert holds(snapshots(cache)[0], cached)
    assert sorted(blobs(cache)) == sorted({content_of(hub, name).hash for name in cached})


def test_repair_without_a_hub_keeps_what_there_is(hub, run, cached, cache):
    path = flip(cache, hub, "model.safetensors")
    broken = path.read_bytes()
    hub.fault("list", "status", times=-1, code=500)
    result = run("verify", "org/name", "--repair")
    assert result.returncode == 4
    assert path.read_bytes() == broken
    assert run("verify", "org/name", "--repair", "--offline").returncode == 3
    assert path.read_bytes() == broken


def test_a_missing_blob_is_found_and_repaired(hub, run, cached, cache):
    (repository(cache) / "blobs" / content_of(hub, "tokenizer.json").hash).unlink()
    result = run("verify", "org/name", "--output", "json")
    assert result.returncode == 3
    assert states(result)["tokenizer.json"] == "missing"
    assert run("verify", "org/name", "--repair").returncode == 0
    assert holds(snapshots(cache)[0], cached)


def test_verify_of_what_is_not_there(hub, run):
    result = run("verify", "org/other")
    assert result.returncode == 3
    assert hub.requests == []


def test_the_cache_is_listed(hub, run, cached, cache):
    hub.add("org/b", model(seed=2), revision="v1")
    assert run("download", "org/b@v1").returncode == 0
    (repository(cache) / "blobs" / ("0" * 64 + ".incomplete")).write_bytes(bytes(1000))
    told = json.loads(run("cache", "--output", "json").stdout)
    assert told["cache"] == str(cache)
    first, second = told["models"]
    assert (first["repository"], second["repository"]) == ("org/b", "org/name")
    assert (first["revisions"], second["revisions"]) == (["v1"], ["main"])
    size = sum(map(len, cached.values()))
    assert size + 1000 <= second["size"] < size + 2000  # and the reference
    assert (second["incomplete"], second["files"]) == (1000, 4)
    table = run("cache").stdout
    assert "org/b" in table and "1.0 kB of interrupted downloads" in table and "2 models" in table


def test_an_empty_cache(run, cache):
    result = run("cache")
    assert result.returncode == 0
    assert f"{cache} holds no models" in result.stdout
    assert json.loads(run("cache", "--output", "json").stdout)["models"] == []


def test_delete(hub, run, cached, cache):
    hub.add("org/other", model(seed=2))
    assert run("download", "org/other").returncode == 0
    result = run("cache", "delete", "org/name")
    assert result.returncode == 0, result.stderr
    assert "deleted org/name" in result.stdout
    assert not list(cache.rglob("*org--name*"))
    assert snapshots(cache, "org/other")
    assert run("cache", "delete", "org/name").returncode == 3


@pytest.mark.parametrize("name", ["../x", "/tmp", "", "..", "org/../x"])
def test_delete_of_no_model(run, cached, cache, name):
    assert run("cache", "delete", name).returncode in (2, 3)
    assert snapshots(cache)


def test_delete_during_a_download(hub, run, start, cache):
    hub.add("org/name", model())
    fault = hub.fault("model.safetensors", "stall", after=1000)
    process = start("download", "org/name")
    wait_for(fault.met.is_set)
    result = run("cache", "delete", "org/name")
    assert result.returncode == 4
    assert "is being downloaded" in result.stderr
    fault.go.set()
    assert process.wait(timeout=30) == 0
    assert snapshots(cache)


@pytest.mark.parametrize("command", [("download",), ("verify",), ("cache",), ("cache", "delete")])
def test_help_has_an_example(run, command):
    assert "Example:" in run(*command, "--help").stdout
