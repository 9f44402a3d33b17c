# What a download brings into the cache, and that the program runs from it.
import json
import os

import pytest
from hub_cache import MODEL, SMALL, holds, model, repository, snapshots, weights


def test_a_name_is_enough(hub, run, cache):
    hub.add_folder("org/name", MODEL)
    by_name = run("embed", "-m", "org/name", "a cat", "--output", "json")
    assert by_name.returncode == 0, by_name.stderr
    by_folder = run("embed", "-m", MODEL, "a cat", "--output", "json")
    assert json.loads(by_name.stdout)["embeddings"] == json.loads(by_folder.stdout)["embeddings"]
    asked = len(hub.requests)
    assert run("embed", "-m", "org/name", "a cat").returncode == 0
    assert len(hub.requests) == asked  # a complete copy is used without a question


def test_layout_is_that_of_the_other_tools(hub, download, cache):
    files = model(**{"1_Pooling/config.json": b'{"pooling_mode": "mean"}'})
    files["modules.json"] = b'[{"idx": 0, "path": "", "type": "x"}, {"idx": 1, "path": "1_Pooling", "type": "y"}]'
    sha = hub.add("org/name", files)
    told = json.loads(download().stdout)
    folder = repository(cache)
    assert (told["commit"], told["revision"], told["files"]) == (sha, "main", 5)
    assert told["folder"] == str(folder / "snapshots" / sha)
    assert (folder / "refs" / "main").read_text() == sha  # no newline
    assert holds(folder / "snapshots" / sha, files)
    for name, content in ((name, hub.repositories["org/name"].commits[sha][name]) for name in files):
        link = folder / "snapshots" / sha / name
        up = "../" * (2 + name.count("/"))
        assert os.readlink(link) == f"{up}blobs/{content.hash}"
    assert len(list((cache / ".locks" / "models--org--name").iterdir())) == 5
    assert (cache / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")
    assert not list(cache.rglob("*tmp*"))


def test_only_needed_files_are_taken(hub, download, cache):
    needed = model(**{"vocab.txt": b"v", "chat_template.jinja": b"t", "additional_chat_templates/rag.jinja": b"r",
                      "2_Dense/config.json": b"d", "2_Dense/model.safetensors": weights(20_000, 2)})
    needed["modules.json"] = b'[{"path": ""}, {"path": "2_Dense"}]'
    spare = {name: b"x" for name in ("pytorch_model.bin", "onnx/model.onnx", "onnx/config.json", "modeling.py", "README.md",
                                     "2_Dense/pytorch_model.bin", "openvino/model.xml", "model.gguf", "tf_model.h5",
                                     "other.safetensors", ".gitattributes", "model.safetensors.index.json")}
    hub.add("org/name", {**needed, **spare})
    download()
    assert holds(snapshots(cache)[0], needed)


def test_shards_of_an_index(hub, download, cache):
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    files = {**SMALL, "model.safetensors.index.json": json.dumps(index).encode(),
             "model-00001-of-00002.safetensors": weights(50_000, 3), "model-00002-of-00002.safetensors": weights(7, 4)}
    hub.add("org/name", {**files, "model-00001-of-00001.safetensors": b"stale"})
    download()
    assert holds(snapshots(cache)[0], files)


@pytest.mark.parametrize("how", [("--revision", "v1"), ("@v1",), ("hf",), ("commit",)])
def test_revisions(hub, run, cache, how):
    files = model(seed=5)
    sha = hub.add("org/name", files, revision="v1")
    hub.add("org/name", model(seed=6))
    name = {"--revision": "org/name", "@v1": "org/name@v1", "hf": "hf://org/name@v1", "commit": f"org/name@{sha}"}[how[0]]
    result = run("download", name, *(how if how[0] == "--revision" else ()))
    assert result.returncode == 0, result.stderr
    assert [folder.name for folder in snapshots(cache)] == [sha]
    assert holds(snapshots(cache)[0], files)


def test_pull_request_revision(hub, download, cache):
    sha = hub.add("org/name", model(), revision="refs/pr/1")
    download("--revision", "refs/pr/1")
    assert (repository(cache) / "refs" / "refs" / "pr" / "1").read_text() == sha


def test_a_new_commit_shares_what_did_not_change(hub, download, cache):
    hub.add("org/name", model())
    download()
    hub.requests.clear()
    files = model(**{"config.json": b'{"model_type": "bert", "x": 1}'})
    hub.add("org/name", files)
    told = json.loads(download().stdout)
    assert told["downloaded_bytes"] == len(files["config.json"])
    assert hub.gets("store") == []
    assert len(snapshots(cache)) == 2
    assert holds(repository(cache) / "snapshots" / told["commit"], files)


def test_nothing_is_done_twice(hub, download, cache):
    hub.add("org/name", model())
    download()
    hub.requests.clear()
    before = {path: path.lstat().st_mtime_ns for path in cache.rglob("*")}
    assert json.loads(download().stdout)["downloaded_bytes"] == 0
    assert len(hub.requests) == 1  # what is `main` now?
    assert {path: path.lstat().st_mtime_ns for path in cache.rglob("*")} == before


def test_equal_files_are_one_blob(hub, download, cache):
    files = model(**{"vocab.json": b"same", "merges.txt": b"same"})
    hub.add("org/name", files)
    told = json.loads(download().stdout)
    assert holds(snapshots(cache)[0], files)
    assert told["downloaded_bytes"] == sum(map(len, files.values())) - len(b"same")


def test_empty_file(hub, download, cache):
    files = model(**{"added_tokens.json": b""})
    hub.add("org/name", files)
    download()
    assert holds(snapshots(cache)[0], files)


def test_many_ranges(hub, download, cache):
    files = model(size=70_000_001)
    hub.add("org/name", files)
    told = json.loads(download().stdout)
    assert holds(snapshots(cache)[0], files)
    assert told["downloaded_bytes"] == sum(map(len, files.values()))
    ranges = [one.range for one in hub.requests if one.server == "store"]
    assert len(ranges) == 5 and len(set(ranges)) == 5
    assert sum(one.path.startswith("/org/name/resolve") for one in hub.requests if one.range) == 1  # one redirect


def test_a_list_without_hashes_asks_for_each(hub, download, cache):
    files = model()
    hub.add("org/name", files)
    hub.fault("list", "no_blobs", times=-1)
    download()
    assert holds(snapshots(cache)[0], files)
    assert sum(one.method == "HEAD" for one in hub.requests) == len(files) + 1  # the store's answer too


def test_alias_is_downloaded_under_its_repository(hub, run, cache):
    hub.add("Qwen/Qwen3-Embedding-0.6B", model())
    assert run("download", "qwen3").returncode == 0
    assert snapshots(cache, "Qwen/Qwen3-Embedding-0.6B")


def test_bare_name_is_tried_under_sentence_transformers(hub, run, cache):
    hub.add("sentence-transformers/some-model", model())
    assert run("download", "some-model").returncode == 0
    assert snapshots(cache, "sentence-transformers/some-model")


def test_a_partial_copy_of_another_tool_is_completed(hub, run, cache, environment):
    sha = hub.add_folder("org/name", MODEL)
    folder = repository(cache)
    (folder / "snapshots" / sha).mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(sha)
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (folder / "snapshots" / sha / name).write_bytes((MODEL / name).read_bytes())
    hub.add_folder("org/name", MODEL.parent / "bert-cls")  # the branch has moved on; the copy stays what it is
    result = run("info", "-m", "org/name", "--output", "json")
    assert result.returncode == 0, result.stderr
    assert [one.name for one in snapshots(cache)] == [sha]
    assert (folder / "snapshots" / sha / "modules.json").exists()
    assert "1_Pooling" in json.loads(result.stdout)["pooling_source"]


def test_verbose_tells_the_steps(hub, run):
    hub.add_folder("org/name", MODEL)
    told = run("embed", "-m", "org/name", "a", "-v").stderr
    places = [told.index(f"mlx_embeddings: {step}: ")
              for step in ("download", "register", "validate", "import", "initialise", "return")]
    assert places == sorted(places)


def test_copies_instead_of_links(hub, run, cache):
    files = model(**{"vocab.json": b"same", "merges.txt": b"same"})
    hub.add("org/name", files)
    environment = {"HF_HUB_DISABLE_SYMLINKS": "1"}
    assert run("download", "org/name", env=environment).returncode == 0
    assert holds(snapshots(cache)[0], files)
    assert not any(path.is_symlink() for path in cache.rglob("*"))
    hub.requests.clear()
    assert run("download", "org/name", env=environment).returncode == 0
    assert len(hub.requests) == 1


def test_no_progress_bar_when_piped(hub, download):
    hub.add("org/name", model())
    assert download().stderr == ""


def test_convert_takes_a_name_and_a_revision(hub, run, tmp_path):
    hub.add_folder("org/name", MODEL, revision="v1")
    result = run("convert", "--hf-path", "org/name", "--revision", "v1", "--mlx-path", str(tmp_path / "m"), "-q", "--q-bits", "8")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "m" / "model.safetensors").is_file()
    card = (tmp_path / "m" / "README.md").read_text(encoding="utf-8")
    assert "--hf-path org/name --revision v1 --quantize" in card
    by_name = run("convert", "--hf-path", "org/name@v1", "--mlx-path", str(tmp_path / "n"), "--offline", "--dtype", "float32")
    assert by_name.returncode == 0, by_name.stderr


def test_a_revision_of_a_folder_is_refused(run, tmp_path):
    for command in (["info", "-m", MODEL], ["download", MODEL], ["convert", "--mlx-path", tmp_path / "m", "--hf-path", MODEL]):
        result = run(*command, "--revision", "v1")
        assert result.returncode == 2
        assert "the revision 'v1' is for a model of the hub" in result.stderr
