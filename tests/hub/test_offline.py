# Without a network: no socket is opened when it is told so, and a copy is used when the hub cannot be reached.
import http.server
import json
import signal
import socket
import threading
import time

import pytest
from hub_cache import MODEL, model, repository, snapshots
from socket_trap import AVAILABLE, trap_sockets

trapped = pytest.mark.skipif(not AVAILABLE, reason="seccomp is Linux's")
OFFLINE = [({"HF_HUB_OFFLINE": "1"}, ()), ({"TRANSFORMERS_OFFLINE": "yes"}, ()), ({}, ("--offline",))]


@pytest.fixture
def closed_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


@trapped
def test_the_trap_works(hub, run):
    hub.add("org/name", model())
    assert run("download", "org/name", preexec_fn=trap_sockets).returncode == -signal.SIGSYS


@trapped
@pytest.mark.parametrize("env, flags", OFFLINE)
def test_offline_opens_no_socket(hub, run, download, env, flags):
    hub.add_folder("org/name", MODEL)
    refused = run("embed", "-m", "org/name", "a", *flags, env=env, preexec_fn=trap_sockets)
    assert refused.returncode == 3
    assert "there is no model 'org/name'" in refused.stderr and "HF_HUB_OFFLINE" in refused.stderr
    refused = run("download", "org/name", *flags, env=env, preexec_fn=trap_sockets)
    assert refused.returncode == 3
    assert "HF_HUB_OFFLINE" in refused.stderr
    assert hub.requests == []
    download()
    result = run("embed", "-m", "org/name", "a", *flags, env=env, preexec_fn=trap_sockets)
    assert result.returncode == 0, result.stderr


@trapped
def test_a_complete_copy_needs_no_socket(hub, run, download):
    hub.add_folder("org/name", MODEL)
    download()
    assert run("embed", "-m", "org/name", "a", preexec_fn=trap_sockets).returncode == 0
    assert run("verify", "org/name", preexec_fn=trap_sockets).returncode == 0
    assert run("cache", preexec_fn=trap_sockets).returncode == 0


def test_offline_with_a_part_of_a_model_uses_it(hub, run, cache):
    sha = hub.add_folder("org/name", MODEL)
    place_part(cache, sha)
    result = run("info", "-m", "org/name", "--offline")
    assert result.returncode == 0, result.stderr
    assert hub.requests == []


def place_part(cache, sha):
    folder = repository(cache)
    (folder / "snapshots" / sha).mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(sha)
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (folder / "snapshots" / sha / name).write_bytes((MODEL / name).read_bytes())


def test_an_unreachable_hub_and_a_copy(hub, run, cache, closed_port):
    sha = hub.add_folder("org/name", MODEL)
    place_part(cache, sha)
    result = run("info", "-m", "org/name", "--output", "json", env={"HF_ENDPOINT": f"http://127.0.0.1:{closed_port}"})
    assert result.returncode == 0, result.stderr
    assert f"using revision {sha} of 'org/name' as the cache has it" in result.stderr
    assert json.loads(result.stdout)["path"].endswith(sha)


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:{port}", "http://no-such-host.invalid"])
def test_an_unreachable_hub_and_no_copy(run, closed_port, cache, endpoint):
    start = time.monotonic()
    result = run("download", "org/name", env={"HF_ENDPOINT": endpoint.format(port=closed_port)})
    assert result.returncode == 4
    for words in ("there is no model 'org/name'", str(cache / "models--org--name"), "cannot be reached"):
        assert words in result.stderr
    assert time.monotonic() - start < 12
    assert not snapshots(cache)


def test_a_hub_that_never_answers(run):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        result = run("download", "org/name", env={"HF_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}",
                                                  "HF_HUB_ETAG_TIMEOUT": "1"})
        assert result.returncode == 4
        assert "cannot be reached" in result.stderr
        assert time.monotonic() - start < 6


def test_no_hub_at_that_address(run):
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>welcome</html>")

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        result = run("download", "org/name", env={"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}"})
        server.shutdown()
    assert result.returncode == 4
    assert "is no answer of a hub" in result.stderr
