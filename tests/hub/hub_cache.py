# Models for the fake hub, and what a cache holds of them; shared by the tests of downloads.
import pathlib
import random
import signal
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "tests" / "fixtures" / "bert-mean"
SMALL = {"config.json": b'{"model_type": "bert"}', "tokenizer.json": b"{}", "modules.json": b"[]"}

MB = 1 << 20


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


def kept(cache, hub, name="model.safetensors"):
    """The .incomplete file of a large file, and what it should become."""
    content = next(iter(hub.repositories["org/name"].commits.values()))[name]
    return repository(cache) / "blobs" / f"{content.hash}.incomplete", content
