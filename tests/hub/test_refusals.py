# What the hub refuses, puts off or sends elsewhere: the right message, and no token for strangers.
import time

import pytest
from hub_cache import MB, holds, incomplete, model, snapshots


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
