# Repositories and folders with GGUF files: which of several is taken, how another one is named, what the cache remembers.
import json

import pytest
from hub_cache import MODEL, ROOT, holds, snapshots
from socket_trap import AVAILABLE, trap_sockets

GGUF = ROOT / "tests" / "fixtures" / "gguf"
# Files of different sizes, so that it shows which one was loaded.
SEVERAL = {"m-Q4_K_M.gguf": (GGUF / "bert.gguf").read_bytes(), "m-Q8_0.gguf": (GGUF / "nomic-bert.gguf").read_bytes(),
           "m-F16.gguf": (GGUF / "xlm-roberta.gguf").read_bytes(), "mmproj-Q8_0.gguf": b"no"}
TYPES = {"m-Q4_K_M.gguf": "bert", "m-Q8_0.gguf": "nomic_bert", "m-F16.gguf": "xlm-roberta"}


@pytest.fixture
def repository(hub):
    return hub.add("org/name", SEVERAL)


@pytest.fixture
def loaded(run):
    """The file that is loaded for a name, and the architecture that it has."""

    def call(name, *flags, **more):
        result = run("info", "-m", name, "--output", "json", *flags, **more)
        assert result.returncode == 0, result.stderr
        facts = json.loads(result.stdout)
        return facts["path"].rsplit("/", 1)[1], facts["model_type"]

    return call


def test_eight_bits_are_taken_unasked_and_said(repository, download, cache, loaded):
    told = download()
    assert holds(snapshots(cache)[0], {"m-Q8_0.gguf": SEVERAL["m-Q8_0.gguf"]})
    assert "'org/name' has 4 GGUF files, of which m-Q8_0.gguf is taken" in told.stderr
    assert "as in org/name:m-F16.gguf" in told.stderr
    assert loaded("org/name") == ("m-Q8_0.gguf", "nomic_bert")


@pytest.mark.parametrize("choice, file", [("Q4_K_M", "m-Q4_K_M.gguf"), ("f16", "m-F16.gguf"),
                                          ("m-Q8_0.gguf", "m-Q8_0.gguf")])
@pytest.mark.parametrize("form", ["org/name:{}", "hf://org/name:{}@main"])
def test_a_file_that_is_named_is_taken(repository, loaded, cache, choice, file, form):
    assert loaded(form.format(choice)) == (file, TYPES[file])
    assert holds(snapshots(cache)[0], {file: SEVERAL[file]})


def test_a_file_that_is_not_there_is_an_error_with_the_list(repository, refused, hub):
    refused("'org/name' has no GGUF file 'Q5_K_M'; it has m-F16.gguf, m-Q4_K_M.gguf, m-Q8_0.gguf", code=3,
            name="org/name:Q5_K_M")
    assert not [path for path in hub.gets() if "/resolve/" in path]


def test_names_that_do_not_tell_are_an_error_with_the_list(hub, refused):
    hub.add("org/name", {"large.gguf": b"1", "small.gguf": b"2"})
    refused("'org/name' has 2 GGUF files: large.gguf, small.gguf; name one of them behind a colon", code=3)


def test_several_files_of_the_cache_stand_side_by_side(repository, loaded, run):
    for choice, file in [("Q4_K_M", "m-Q4_K_M.gguf"), ("Q8_0", "m-Q8_0.gguf")]:
        assert loaded(f"org/name:{choice}") == (file, TYPES[file])
    assert loaded("org/name", "--offline") == ("m-Q8_0.gguf", "nomic_bert")
    assert loaded("org/name:q4_k_m", "--offline") == ("m-Q4_K_M.gguf", "bert")
    refused = run("info", "-m", "org/name:F16", "--offline")
    assert refused.returncode == 3
    assert "the cache's copy of 'org/name' has no GGUF file 'F16'; it has m-Q4_K_M.gguf, m-Q8_0.gguf" in refused.stderr


@pytest.mark.skipif(not AVAILABLE, reason="seccomp is Linux's")
@pytest.mark.parametrize("name", ["org/name", "org/name:Q4_K_M"])
def test_a_complete_copy_needs_no_socket(repository, loaded, name):
    first = loaded(name)
    assert loaded(name, preexec_fn=trap_sockets) == first


def test_safetensors_go_first_unless_a_file_is_named(hub, download, run, cache):
    sha = hub.add("org/name", {**{path.relative_to(MODEL).as_posix(): path.read_bytes() for path in MODEL.rglob("*")
                                  if path.is_file()}, "m-Q8_0.gguf": b"8"})
    download(name="org/name:Q8_0")
    assert (snapshots(cache)[0] / "m-Q8_0.gguf").exists()
    assert not (snapshots(cache)[0] / "model.safetensors").exists()
    # What the cache has now is not what the name alone means.
    result = run("info", "-m", "org/name", "--output", "json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["path"].endswith(sha)
    assert (snapshots(cache)[0] / "model.safetensors").exists()


def test_a_file_of_a_folder(run, tmp_path):
    for name, content in SEVERAL.items():
        (tmp_path / name).write_bytes(content)
    several = run("info", "-m", tmp_path)
    assert several.returncode == 3
    assert "holds 4 GGUF files, name one of them: m-F16.gguf, m-Q4_K_M.gguf" in several.stderr
    named = run("info", "-m", f"{tmp_path}:Q4_K_M", "--output", "json")
    assert named.returncode == 0, named.stderr
    assert json.loads(named.stdout)["path"] == str(tmp_path / "m-Q4_K_M.gguf")
