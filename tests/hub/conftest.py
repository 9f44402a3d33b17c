# Black-box tests of downloads: a fake hub, an empty cache, and the program pointed at both.
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from fake_hub import FakeHub  # noqa: E402

MODEL = ROOT / "tests" / "fixtures" / "bert-mean"
SMALL = {"config.json": b'{"model_type": "bert"}', "tokenizer.json": b"{}", "modules.json": b"[]"}
HUB_VARIABLES = ("HF_", "HUGGING", "TRANSFORMERS_OFFLINE", "XDG_CACHE_HOME", "http_proxy", "https_proxy", "HTTP_PROXY",
                 "HTTPS_PROXY", "ALL_PROXY", "all_proxy", "MLXE_HUB")


@pytest.fixture
def hub():
    with FakeHub() as running:
        yield running


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def cache(home):
    return home / "hub"


@pytest.fixture
def environment(hub, home):
    clean = {key: value for key, value in os.environ.items() if not key.startswith(HUB_VARIABLES)}
    return {**clean, "HOME": str(home), "HF_HOME": str(home), "HF_ENDPOINT": hub.url, "MLXE_HUB_RETRY_MS": "10"}


@pytest.fixture(scope="session")
def binary():
    tree = pathlib.Path(os.environ.get("MLXE_BINARY_DIR", ROOT / "build" / "release"))
    return tree / "bin" / "mlx_embeddings"


@pytest.fixture
def start(binary, environment):
    """Starts the program; what still runs at the end of the test is ended."""
    running = []

    def call(*arguments, env=None, **more):
        process = subprocess.Popen([str(binary), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, env={**environment, **(env or {})}, **more)
        running.append(process)
        return process

    yield call
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def run(start):
    def call(*arguments, **more):
        process = start(*arguments, **more)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return call


@pytest.fixture
def download(run):
    """Downloads org/name and wants that to work."""

    def call(*flags, name="org/name", **more):
        result = run("download", name, "--output", "json", *flags, **more)
        assert result.returncode == 0, result.stderr
        return result

    return call


@pytest.fixture
def refused(run, cache):
    """A download that must fail: the exit code, words of the message, and nothing that could be found."""

    def call(*words, code, name="org/name", flags=(), **more):
        result = run("download", name, *flags, **more)
        assert result.returncode == code, result.stderr
        assert "mlx_embeddings: error: " in result.stderr
        for word in words:
            assert word in result.stderr
        assert result.stdout == ""
        assert not snapshots(cache)
        return result

    return call


def weights(size=300_000, seed=1):
    return random.Random(seed).randbytes(size)


def model(size=300_000, seed=1, **more):
    return {**SMALL, "model.safetensors": weights(size, seed), **more}


def repository(cache, name="org/name"):
    return cache / ("models--" + name.replace("/", "--"))


def snapshots(cache, name="org/name"):
    folder = repository(cache, name) / "snapshots"
    return sorted(folder.iterdir()) if folder.is_dir() else []


def blobs(cache, name="org/name"):
    folder = repository(cache, name) / "blobs"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def incomplete(cache, name="org/name"):
    return [one for one in blobs(cache, name) if one.endswith(".incomplete")]


def holds(folder, files):
    """True if a snapshot holds exactly these files."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return found == files


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def interrupt(process):
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=30)
