# One cache for all: huggingface_hub reads what we wrote, we read what it wrote. It runs in a process of its own.
import json
import pathlib
import subprocess
import sys

import pytest
from hub_cache import MODEL, holds, model, repository, snapshots


@pytest.fixture
def python(environment):
    """Runs lines of Python with the fake hub as the hub."""

    def call(text, **more):
        result = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=120,
                                env={**environment, "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_XET": "1",
                                     "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1", **more})
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout) if result.stdout else None

    return call


def test_it_reads_what_we_wrote(hub, download, python, cache):
    files = model(**{"1_Pooling/config.json": b'{"pooling_mode": "mean"}'})
    files["modules.json"] = b'[{"path": ""}, {"path": "1_Pooling"}]'
    sha = hub.add("org/name", files)
    told = json.loads(download().stdout)
    hub.requests.clear()
    folder = python("from huggingface_hub import snapshot_download as s; import json;"
                    "print(json.dumps(s('org/name', local_files_only=True)))")
    assert folder == told["folder"]
    # Asked anew, it fetches nothing: ETags, links and references are what it would have written.
    places = python("from huggingface_hub import hf_hub_download as d; import json, sys;"
                    f"print(json.dumps([d('org/name', name) for name in {sorted(files)!r}]))")
    assert [pathlib.Path(place).read_bytes() for place in places] == [files[name] for name in sorted(files)]
    assert hub.gets("store") == [] and all(one.method == "HEAD" for one in hub.requests if "/resolve/" in one.path)
    scan = python("from huggingface_hub import scan_cache_dir as s; import json; r = s(); m = next(iter(r.repos));"
                  "print(json.dumps([len(r.warnings), m.repo_id, m.size_on_disk, sorted(m.refs), m.nb_files]))")
    assert scan == [0, "org/name", sum(map(len, files.values())), ["main"], len(files)]
    assert holds(repository(cache) / "snapshots" / sha, files)


def test_we_read_what_it_wrote(hub, run, python, cache):
    sha = hub.add_folder("org/name", MODEL)
    python("from huggingface_hub import snapshot_download as s; s('org/name')")
    asked = len(hub.requests)
    result = run("embed", "-m", "org/name", "a cat", "--output", "json")
    assert result.returncode == 0, result.stderr
    assert len(hub.requests) == asked
    assert json.loads(result.stdout)["embeddings"] == json.loads(
        run("embed", "-m", MODEL, "a cat", "--output", "json").stdout)["embeddings"]
    assert run("verify", "org/name").returncode == 0
    told = json.loads(run("download", "org/name", "--output", "json").stdout)
    assert (told["downloaded_bytes"], told["commit"]) == (0, sha)


def test_we_complete_what_it_began(hub, run, python, cache):
    files = model()
    sha = hub.add("org/name", files)
    python("from huggingface_hub import hf_hub_download as d; d('org/name', 'model.safetensors')")
    hub.requests.clear()
    assert run("download", "org/name").returncode == 0
    assert hub.gets("store") == []
    assert [one.name for one in snapshots(cache)] == [sha]
    assert holds(snapshots(cache)[0], files)


def test_what_we_noted_as_absent_it_does_not_ask_for(hub, download, python):
    files = model()
    del files["modules.json"]
    sha = hub.add("org/name", files)
    download()
    absent = python("from huggingface_hub import try_to_load_from_cache as t, _CACHED_NO_EXIST as n; import json;"
                    f"print(json.dumps(t('org/name', 'modules.json', revision='{sha}') is n))")
    assert absent
