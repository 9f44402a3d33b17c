# convert --upload-repo: what the hub holds afterwards, and how it is refused.
import pytest
from hub_cache import MODEL


@pytest.fixture
def upload(hub, run, tmp_path):
    """Converts and uploads to org/new."""
    hub.writers.add("writer")

    def call(*flags, token="writer", repository="org/new", folder="m", env=None):
        return run("convert", "--hf-path", MODEL, "--mlx-path", tmp_path / folder, "--dtype", "float32",
                   "--upload-repo", repository, *flags, env={"HF_TOKEN": token, **(env or {})})  # fmt: skip

    return call


def head(hub, name="org/new", revision="main"):
    repository = hub.repositories[name]
    return repository.commits[repository.revisions[revision]]


def test_every_file_arrives(hub, upload, run, tmp_path):
    result = upload()
    assert result.returncode == 0, result.stderr
    assert f"[INFO] Upload successful, go to {hub.url}/org/new for details." in result.stderr
    folder = tmp_path / "m"
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    told = {path: content.bytes for path, content in head(hub).items() if path != ".gitattributes"}
    assert told == files and head(hub)["model.safetensors"].lfs
    # Signed addresses saw no token, and what was uploaded is a model.
    assert not any("authorization" in one.headers for one in hub.requests if one.server == "store")
    hub.tokens.add("writer")
    by_name = run("embed", "-m", "org/new", "a cat", "--output", "json", env={"HF_TOKEN": "writer"})
    by_folder = run("embed", "-m", folder, "a cat", "--output", "json")
    assert by_name.returncode == 0, by_name.stderr
    assert by_name.stdout.split('"embeddings"')[1] == by_folder.stdout.split('"embeddings"')[1]


def test_files_of_the_repository_stay_and_large_ones_are_sent_once(hub, upload):
    assert upload().returncode == 0
    sent = len([one for one in hub.requests if one.method == "PUT"])
    hub.add("org/new", {**{path: content.bytes for path, content in head(hub).items()}, "notes.txt": b"mine"})
    assert upload(folder="n").returncode == 0
    assert head(hub)["notes.txt"].bytes == b"mine"
    assert len([one for one in hub.requests if one.method == "PUT"]) == sent


def test_a_store_that_is_busy_is_tried_again(hub, upload):
    fault = hub.fault("put", "status", code=503)
    assert upload().returncode == 0
    assert fault.times == 0 and "model.safetensors" in head(hub)


@pytest.mark.parametrize("token, words, code", [
    ("reader", "may not write to 'org/new'", 3), ("stranger", "refuses the token in use", 3)])
def test_tokens_that_may_not_write(hub, upload, tmp_path, token, words, code):
    hub.tokens.add("reader")
    result = upload(token=token)
    assert result.returncode == code and words in result.stderr
    assert "org/new" not in hub.repositories
    assert (tmp_path / "m" / "model.safetensors").is_file()  # the conversion itself is not lost


def test_what_cannot_work_is_said_before_the_work(hub, upload, run, tmp_path):
    for result, words in (
        (upload(repository="nameonly"), "'nameonly' is no name for a repository, wanted 'org/name'"),
        (upload(env={"HF_HUB_OFFLINE": "1"}), "HF_HUB_OFFLINE forbids connections"),
        (upload(token=""), "uploading to 'org/new' wants a token that may write: set HF_TOKEN"),
    ):
        assert result.returncode != 0 and words in result.stderr
        assert not (tmp_path / "m").exists() and hub.requests == []


@pytest.mark.parametrize("fault, words", [
    (("put", "status", {"code": 400}), "answers 400"), (("batch", "refuse", {}), "storage quota exceeded")])
def test_nothing_is_committed_if_a_file_is_refused(hub, upload, fault, words):
    target, kind, options = fault
    hub.fault(target, kind, times=-1, **options)
    result = upload()
    assert result.returncode == 4 and words in result.stderr
    assert list(head(hub)) == [".gitattributes"]


def test_a_check_at_another_place_sees_no_token(hub, upload):
    fault = hub.fault("verify", "elsewhere")
    assert upload().returncode == 0
    assert fault.times == 0
    told = [one for one in hub.requests if one.server == "store" and one.method == "POST"]
    assert len(told) == 1 and "authorization" not in told[0].headers


def test_files_that_the_repository_ignores_are_left_out(hub, upload):
    hub.fault("README.md", "ignore")
    assert upload().returncode == 0
    assert "README.md" not in head(hub) and "config.json" in head(hub)
