"""What the measuring scripts share: the program's place, a quiet machine, medians, the last line of JSON output."""

import json
import os
import platform
import resource
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "build" / "models" / "all-MiniLM-L6-v2"

# Library settings of a machine that would hold a peer back; a user's shell does not have them.
UNFAIR_SETTINGS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def program() -> Path:
    tree = Path(os.environ.get("MLXE_BINARY_DIR", ROOT / "build" / "release"))
    return tree / "bin" / "mlx_embeddings"


def clean_environment() -> dict:
    return {name: value for name, value in os.environ.items() if name not in UNFAIR_SETTINGS}


def last_object(output: str) -> dict:
    """The JSON object in the last line that is not empty; libraries like to talk before it."""
    lines = [line for line in output.splitlines() if line.strip()]
    if not lines:
        raise ValueError("no output, a JSON object in the last line was wanted")
    try:
        found = json.loads(lines[-1])
    except json.JSONDecodeError as error:
        raise ValueError(f"the last line is no JSON: {lines[-1][:200]!r}") from error
    if not isinstance(found, dict):
        raise ValueError(f"the last line is no JSON object: {lines[-1][:200]!r}")
    return found


def busy_seconds() -> float | None:
    """CPU seconds that all processors together have worked since start-up; None where the system does not tell."""
    try:
        with open("/proc/stat", encoding="ascii") as file:
            fields = [int(field) for field in file.readline().split()[1:9]]
    except OSError:
        return None
    idle, waiting = fields[3], fields[4]
    return (sum(fields) - idle - waiting) / os.sysconf("SC_CLK_TCK")


def wait_until_quiet(limit_s: float = 25, most_busy: float = 0.08) -> bool:
    """Waits until all processors together did less than `most_busy` of one for 0.4 s; False if `limit_s` went by."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        before = busy_seconds()
        if before is None:
            return True
        time.sleep(0.4)
        if (busy_seconds() - before) / 0.4 < most_busy:
            return True
    return False


@dataclass
class Finished:
    """A process that ended well."""

    output: str
    seconds: float
    others: float  # the share of all processors that other programs took meanwhile


def run(command: list, environment: dict | None = None, folder: Path | None = None) -> Finished:
    """Runs a command to its end. Raises RuntimeError with the end of its stderr if it fails."""
    busy = busy_seconds()
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        env=environment or clean_environment(),
        cwd=folder,
    )
    seconds = time.monotonic() - start
    if done.returncode != 0:
        raise RuntimeError(f"{Path(str(command[0])).name} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    others = 0.0
    if busy is not None:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        own_seconds = used.ru_utime + used.ru_stime - own.ru_utime - own.ru_stime
        others = max(0.0, (busy_seconds() - busy - own_seconds) / seconds / os.cpu_count())
    return Finished(done.stdout, seconds, others)


def median(values: list) -> float:
    return statistics.median(values)


def cpu_name() -> str:
    """The model's name; with its family and number, as virtual machines often call several generations alike."""
    try:
        lines = [line.partition(":") for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()]
    except OSError:
        lines = []
    facts = {key.strip(): value.strip() for key, _, value in lines}
    if "model name" in facts and "cpu family" in facts and "model" in facts:
        return f"{facts['model name']} (family {facts['cpu family']}, model {facts['model']})"
    if "model name" in facts:
        return facts["model name"]
    return platform.processor() or platform.machine()
