# Names that lead elsewhere: of files, folders, models, and of the hub itself.
import json

import pytest
from hub_cache import model, repository


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


def test_unsafe_name_of_a_template(hub, refused, tmp_path):
    hub.add("org/name", model(**{"additional_chat_templates/../../../../evil.jinja": b"x"}))
    refused("a name that leads out of its folder", code=3)
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("name", ["org/name:", "org/name:../x", "org/name@../x", "org/name@a..b", "org/na..me", "org/name@", "hf://org/name/x"])
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
