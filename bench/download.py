#!/usr/bin/env python3
"""Measures how fast one large file is downloaded, verified and put in place, beside curl, from a hub on the loopback."""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import harness

FAKE_HUB = harness.ROOT / "tests" / "support" / "fake_hub.py"


def make_model(folder: Path, megabytes: int) -> None:
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    block = random.Random(1).randbytes(1 << 20)
    with open(folder / "model.safetensors", "wb") as file:
        for index in range(megabytes):
            file.write(index.to_bytes(8, "little") + block[8:])


def measure(url: str, scratch: Path, megabytes: int, rounds: int) -> dict:
    environment = {**harness.clean_environment(), "HF_ENDPOINT": url, "HF_HUB_CACHE": str(scratch / "cache")}
    times = {"curl": [], "program": []}
    for _ in range(rounds):  # by turns, as the machine's mood changes
        harness.wait_until_quiet()
        address = f"{url}/org/name/resolve/main/model.safetensors"
        times["curl"].append(harness.run(["curl", "-sfL", "-o", scratch / "file", address], environment).seconds)
        os.remove(scratch / "file")
        harness.wait_until_quiet()
        times["program"].append(harness.run([harness.program(), "download", "org/name"], environment).seconds)
        shutil.rmtree(scratch / "cache")
    curl, program = harness.median(times["curl"]), harness.median(times["program"])
    return {"bench": "download", "megabytes": megabytes, "rounds": rounds, "curl_mb_s": round(megabytes / curl),
            "program_mb_s": round(megabytes / program), "program_to_curl": round(curl / program, 3),
            "cpu": harness.cpu_name()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        make_model(scratch / "model", given.megabytes)
        with subprocess.Popen([sys.executable, str(FAKE_HUB), "org/name", str(scratch / "model")], stdout=subprocess.PIPE,
                              text=True) as hub:
            try:
                print(json.dumps(measure(hub.stdout.readline().split()[0], scratch, given.megabytes, given.rounds)))
            finally:
                hub.terminate()
    return 0


if __name__ == "__main__":
    sys.exit(main())
