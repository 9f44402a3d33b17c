# Threads, forks, signals and many calls: what a long-lived process does to the engine.
import gc
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

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
            thread.join(timeout=300)
            assert not thread.is_alive()

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


HANDED_OVER = """
import sys
from mlx_embeddings import Embedder

def most_memory():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) * 1024

embedder = Embedder(sys.argv[1], threads=1)
embedder.encode(["a cat"])
texts = ["a cat"] * 25_000
before = most_memory()
vectors = embedder.encode(texts)
print((most_memory() - before) / vectors.nbytes)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the most memory of a process is read from /proc")
def test_vectors_are_in_memory_once(script, fixtures, tmp_path):
    folder = tmp_path / "wide"
    shutil.copytree(fixtures / "static-st", folder)
    weights = folder / "0_StaticEmbedding" / "model.safetensors"
    rows = len(load_file(weights)["embedding.weight"])
    save_file({"embedding.weight": np.ones((rows, 2048), np.float32)}, weights)
    ran = script(HANDED_OVER, folder)
    assert ran.returncode == 0, ran.stderr
    assert float(ran.stdout) < 1.5  # of the 205 MB that they take; a copy would make it 2


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
import numpy as np
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's children ignore it
from mlx_embeddings import Engine

folder, moment = sys.argv[1:]
working = False
def told(done, total, tokens):  # by the calling thread, every few hundredths of a second
    global working
    if not working and (done > 0) == (moment == "between micro-batches"):
        working = True
        print("working", flush=True)
    assert working or done == 0, "nobody asked before the first texts were done"

def work():
    if moment == "tokenising":
        engine.embed(["Gr\u00fc\u00dfe aus M\u00fcnchen " * 40] * 20_000, on_progress=told)
    elif moment == "between micro-batches":
        engine.embed(["one two " * 40] * 20_000, on_progress=told)
    else:
        engine.embed_ids(np.full((1, 8192), 5, np.int32), on_progress=told)

engine = Engine.load(folder)
print(engine.info.threads, flush=True)
try:
    work()
    print("finished", flush=True)
except KeyboardInterrupt:
    print(time.monotonic(), flush=True)
    sys.stdin.readline()
print(engine.embed(["a"])[0].shape == (1, engine.info.embedding_dim))
"""


@pytest.fixture
def many_heads(tmp_path, fixtures):
    """A small model that takes seconds for 8192 tokens."""
    folder = tmp_path / "many-heads"
    shutil.copytree(fixtures / "qwen3-embed", folder)
    config = json.loads((folder / "config.json").read_text())
    heads = {"num_attention_heads": 32, "num_key_value_heads": 32, "max_position_embeddings": 8192}
    (folder / "config.json").write_text(json.dumps({**config, **heads}))
    weights = load_file(folder / "model.safetensors")
    for name, weight in weights.items():
        if "_proj" in name and "attn" in name:
            of_heads = 1 if "o_proj" in name else 0
            weights[name] = np.repeat(weight, 512 // weight.shape[of_heads], axis=of_heads)
    save_file(weights, folder / "model.safetensors")
    return folder


def seconds_of_threads(process) -> tuple[float, float]:
    """How long a process's threads have run, and how long they have waited for a core, all together."""
    ran, waited = 0, 0
    for thread in Path(f"/proc/{process.pid}/task").glob("*/schedstat"):
        times = thread.read_text(encoding="ascii").split()
        ran, waited = ran + int(times[0]), waited + int(times[1])
    return ran / 1e9, waited / 1e9


@pytest.mark.parametrize("moment", ["tokenising", "between micro-batches", "within one text"])
def test_ctrl_c_stops_a_call_within_a_second_and_the_model_still_works(minilm_folder, many_heads, moment):
    folder = many_heads if moment == "within one text" else minilm_folder
    command = [sys.executable, "-c", INTERRUPTED, folder, moment]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        threads = int(process.stdout.readline())
        assert process.stdout.readline() == "working\n"
        time.sleep(0.1)  # out of the callback, and back in the engine
        ran, waited = seconds_of_threads(process)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        took = float(process.stdout.readline()) - began  # until the exception was caught: one clock for all processes
        ran, waited = (after - before for after, before in zip(seconds_of_threads(process), (ran, waited)))
        # Time that other programs had the cores for is not ours; what we computed is, whoever was to wait.
        slow = float(os.environ.get("MLXE_SLOW_MACHINE", 1))
        assert took - waited < 1.0 * slow, (took, waited, ran)
        assert ran < 1.0 * threads * slow, (took, waited, ran)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "True\n"
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
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from mlx_embeddings import Engine
try:
    Engine.load("org/name")
except KeyboardInterrupt:
    print(time.monotonic(), flush=True)
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
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            took = float(process.stdout.readline()) - began  # until the exception was caught
            assert took < 1.0 * float(os.environ.get("MLXE_SLOW_MACHINE", 1))
            assert process.wait(timeout=60) == 0
    kept = list(tmp_path.rglob("*.incomplete"))
    assert [path.stat().st_size for path in kept] == [100_000]
