"""bench_kernels: JSON lines with the share of a measured peak."""

import json
import subprocess

import pytest


@pytest.fixture(scope="module")
def lines(programs):
    flags = ["--benchmark_filter=minilm_out/256|attention/fp32/minilm/128|256x384", "--benchmark_min_time=0.02"]
    done = subprocess.run([str(programs / "bench_kernels"), *flags], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_first_line_has_the_machine_and_its_peaks(lines):
    machine = lines[0]
    assert machine["bench"] == "machine" and machine["cpu"] and machine["instruction_set"]
    assert machine["peak_gops"]["fp32"] > 1  # a multiply-add each cycle at 1 GHz would be 2
    assert machine["all_threads"]["count"] == machine["cpus"] and machine["all_threads"]["fp32_gops"] > 1


def test_kernels_come_with_their_share(lines):
    kernels = {line["name"]: line for line in lines[1:]}
    assert {"gemm/fp32/minilm_out/256", "attention/fp32/minilm/128", "layer_norm/256x384"} <= kernels.keys()
    peaks = lines[0]["peak_gops"]
    for name, kernel in kernels.items():
        assert kernel["ns"] > 0, name
        if name.startswith("gemm/"):
            # How high it is depends on who else the machine serves while either is measured.
            assert kernel["share_of_peak"] == pytest.approx(kernel["gops"] / peaks[name.split("/")[1]], abs=0.002), name
        else:
            assert kernel.get("share_of_peak", kernel.get("share_of_copy")) > 0, name


def test_rate_fits_time_and_shape(lines):
    product = next(line for line in lines[1:] if line["name"] == "gemm/fp32/minilm_out/256")
    operations = 2 * 256 * 384 * 384
    assert product["gops"] == pytest.approx(operations / product["ns"], rel=0.02)


def test_threads_read_memory_where_that_is_asked_for(programs, lines):
    assert "read_gbytes_per_s" not in lines[0]["all_threads"]
    flags = ["--read_bytes=50000000", "--all_threads=3", "--benchmark_filter=256x384"]
    done = subprocess.run([str(programs / "bench_kernels"), *flags], capture_output=True, text=True, timeout=300)
    all_threads = json.loads(done.stdout.splitlines()[0])["all_threads"]
    assert all_threads["count"] == 3 and all_threads["read_gbytes_per_s"] > 0.5  # one channel of memory has 10


@pytest.mark.parametrize(
    ("flag", "why"),
    [("--read_bytes=0", "from 1 to"), ("--read_bytes=3x", "from 1 to"), ("--read_bytes=", "from 1 to"),
     ("--all_threads=-1", "from 1 to 1024"), ("--all_threads=1025", "from 1 to 1024")],
)  # fmt: skip
def test_what_is_read_must_make_sense(programs, flag, why):
    done = subprocess.run([str(programs / "bench_kernels"), flag], capture_output=True, text=True)
    assert done.returncode == 1 and flag.split("=")[0] in done.stderr and why in done.stderr


def test_unknown_instruction_set_is_an_error(programs):
    done = subprocess.run(
        [str(programs / "bench_kernels")], env={"MLXE_CPU_ISA": "abacus"}, capture_output=True, text=True
    )
    assert done.returncode == 1 and "abacus" in done.stderr
