# Black-box tests of downloads: a fake hub, an empty cache, and the program pointed at both.
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from fake_hub import FakeHub  # noqa: E402
from hub_cache import snapshots  # noqa: E402

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
