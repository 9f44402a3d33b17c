# Threads, forks, signals and many calls: what a long-lived process does to the engine.
import gc
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from mlx_embeddings import Embedder, Engine, load

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from fake_hub import FakeHub  # noqa: E402


def memory_kb() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize() // 1024


def test_eight_threads_at_once_get_what_one_gets(small):
    texts = [f"text {i} " + "word " * (i % 7) for i in range(40)]
    expected, _ = small.engine.embed(texts)
    wrong = []

    def work(number):
        for _ in range(25):
            found, _ = small.engine.embed(texts[number:])
            if not np.array_equal(found, expected[number:]):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    assert wrong == []


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read from /proc")
def test_a_hundred_thousand_calls_from_eight_threads_leak_nothing(fixtures):
    # A static model looks its vectors up, so this is the cost of calls; it takes a few seconds.
    engine = Engine.load(str(fixtures / "static-st"), threads=1)
    texts = ["a cat", "a dog and a bird"]
    mask = np.ones((1, 2), np.int32)
    ids = np.array([[5, 6]], np.int32)

    def calls(count):
        def work():
            for _ in range(count // 8 // 4):
                engine.embed(texts)
                engine.embed_ids(ids, mask)
                engine.tokenize(texts)
                try:
                    engine.embed(texts, dimensions=0)
                except ValueError:
                    pass

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    calls(10_000)  # what is allocated once
    references = [sys.getrefcount(thing) for thing in (texts[0], ids, mask, engine)]
    gc.collect()
    before = memory_kb()
    calls(100_000)
    gc.collect()
    assert [sys.getrefcount(thing) for thing in (texts[0], ids, mask, engine)] == references
    # 100,000 lost arrays would be 10 MB at least, their vectors more.
    assert memory_kb() - before < 6_000


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read from /proc")
def test_calls_of_the_package_from_eight_threads_leave_nothing_behind(fixtures):
    mx = pytest.importorskip("mlx.core")
    model, tokenizer = load(fixtures / "static-st", model_config={"threads": 1})
    embedder = Embedder(model.engine)
    texts = ["a cat", "a dog and a bird"]

    def calls(count):
        def work():
            for _ in range(count // 8):
                inputs = tokenizer(texts, padding=True, return_tensors="mlx")
                outputs = model(inputs["input_ids"], attention_mask=inputs["attention_mask"])
                assert isinstance(outputs.text_embeds, mx.array)
                embedder.encode(texts, return_report=True)
                try:
                    model(np.ones(3, int))
                except ValueError:
                    pass

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=120)
            assert not thread.is_alive()

    calls(2_000)  # what is allocated once
    gc.collect()
    objects, before = len(gc.get_objects()), memory_kb()
    calls(16_000)
    gc.collect()
    assert abs(len(gc.get_objects()) - objects) < 200
    assert memory_kb() - before < 6_000


def test_a_fork_is_refused_and_ends_without_waiting_for_threads_that_it_has_not(small):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            small.engine.embed(["a"])
        except RuntimeError as error:
            code = 0 if "this is its fork" in str(error) and "spawn" in str(error) else 2
        finally:
            os._exit(code)  # nothing of the test run may go on in the child
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_forked_child_ends_by_itself(script, fixtures):
    ran = script(
        "import os, sys\n"
        "from mlx_embeddings import Engine\n"
        "engine = Engine.load(sys.argv[1])\n"
        "engine.embed(['a'])\n"
        "child = os.fork()\n"
        "if child == 0: sys.exit(7)\n"  # the interpreter tidies up, the engine's destructor included
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n",
        fixtures / "bert-mean",
    )
    assert ran.stdout.strip() == "7", ran.stderr


INTERRUPTED = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's children ignore it
from mlx_embeddings import Embedder
embedder = Embedder(sys.argv[1])
texts = ["one two three four five " * 40] * 20_000
print("ready", flush=True)
try:
    embedder.encode(texts)
    print("finished")
except KeyboardInterrupt:
    print("interrupted", flush=True)
print(embedder.encode("a").shape)
"""


def test_ctrl_c_stops_a_call_within_a_second_and_the_model_still_works(minilm_folder):
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, minilm_folder], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.5)  # into the work
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        assert process.stdout.readline() == "interrupted\n"
        assert time.monotonic() - began < 1.0 * float(os.environ.get("MLXE_SLOW_MACHINE", 1))
        assert process.stdout.readline() == "(384,)\n"
        assert process.wait(timeout=60) == 0


def test_an_exception_of_the_callback_stops_the_call_and_comes_out(minilm):
    def stop(done, total, tokens):
        raise LookupError(f"stopped at {done} of {total}")

    with pytest.raises(LookupError, match="of 20000"):
        minilm.engine.embed(["one two three four five " * 10] * 20_000, on_progress=stop)


def test_other_threads_run_while_the_engine_computes(minilm):
    done = threading.Event()
    thread = threading.Thread(target=lambda: (minilm.engine.embed(["word " * 100] * 200), done.set()))
    turns = 0
    thread.start()
    while not done.is_set():
        turns += 1
        time.sleep(0.001)
    thread.join()
    assert turns > 5  # with the interpreter's lock held it would be one or two


DOWNLOADING = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from mlx_embeddings import Engine
try:
    Engine.load("org/name")
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_ctrl_c_stops_a_download_and_what_came_is_kept(tmp_path):
    with FakeHub() as hub:
        hub.add("org/name", {"config.json": b"{}", "tokenizer.json": b"{}", "model.safetensors": bytes(300_000)})
        fault = hub.fault("model.safetensors", "stall", after=100_000)
        environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"}
        command = [sys.executable, "-c", DOWNLOADING]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert fault.met.wait(20)
            time.sleep(0.3)  # let what was sent arrive
            process.send_signal(signal.SIGINT)
            began = time.monotonic()
            assert process.stdout.readline() == "interrupted\n"
            assert time.monotonic() - began < 1.0 * float(os.environ.get("MLXE_SLOW_MACHINE", 1))
            assert process.wait(timeout=60) == 0
    kept = list(tmp_path.rglob("*.incomplete"))
    assert [path.stat().st_size for path in kept] == [100_000]
