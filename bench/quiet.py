"""When a turn of a comparison counts: nothing else ran, and the cores were as fast as they are at other times."""

import json
import time

import harness

DISTURBED = 0.06  # of all processors: a turn in which others took more does not count
SLOWED = 0.25  # likewise where all cores together were that much slower than at their best, before a run or after it


def bench_kernels(*flags: str) -> dict:
    """What bench_kernels says of the machine: its first line."""
    command = [harness.program().with_name("bench_kernels"), "--benchmark_filter=^copy/256x384$", *flags]
    return json.loads(harness.run(command).output.splitlines()[0])


class Cores:
    """The rate at which all threads multiply just now: two processors of a virtual machine may come to lie on one core
    of the real one, or beside the programs of another, and none of that shows in what this system counts."""

    def __init__(self, threads: int):
        self.threads = threads
        self.measurable = harness.program().with_name("bench_kernels").exists()
        self.best = 0.0

    def rate(self) -> float:
        if not self.measurable:
            return 0.0
        rate = bench_kernels(f"--all_threads={self.threads}")["all_threads"]["fp32_gops"]
        self.best = max(self.best, rate)
        return rate

    def wait_until_quiet(self, limit_s: float) -> float:
        """The rate when nothing else runs here and it is near its best, or when the time is up."""
        deadline = time.monotonic() + limit_s
        while True:
            harness.wait_until_quiet(deadline - time.monotonic())
            rate = self.rate()
            if rate >= (1 - SLOWED) * self.best or time.monotonic() > deadline:
                return rate


def unrest(turn: dict, best_cores: float) -> float:
    """How far the worst moment of any contender was from a quiet machine; above 1 the turn does not count.
    best_cores: the most that all cores did in this comparison; 0 where that was not measured."""
    return max(
        max(result["others"] / DISTURBED, (1 - result["cores"] / best_cores) / SLOWED if best_cores else 0)
        for result in turn.values()
    )


def keep_quiet_turns(turns: list, wanted: int, best_cores: float) -> list:
    """The `wanted` calmest turns, in their order."""
    calmest = sorted(range(len(turns)), key=lambda i: unrest(turns[i], best_cores))
    return [turns[i] for i in sorted(calmest[:wanted])]
