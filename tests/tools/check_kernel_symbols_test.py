# Tests of tools/check_kernel_symbols.py on objects compiled here, with one planted violation each.
import contextlib
import io
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import check_kernel_symbols

COMPILER = os.environ.get("CXX", "c++")


class CheckKernelSymbols(unittest.TestCase):
    def check(self, source, name="avx2/kernels.cpp.o"):
        """Exit status and messages for one object of this source."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run([COMPILER, "-std=c++20", "-O0", "-x", "c++", "-", "-c", "-o", str(path)], check=True,
                           input=source, text=True)
            output = io.StringIO()
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                status = check_kernel_symbols.main([str(path)])
            return status, output.getvalue()

    def test_functions_of_the_unit_alone_pass(self):
        source = "namespace { template <class T> T twice(T x) { return x + x; } }\nint used(int x) { return twice(x); }"
        self.assertEqual(self.check(source), (0, "kernel symbols: 1 objects share none\n"))

    def test_a_template_with_a_name_outside_is_found(self):
        source = "template <class T> T twice(T x) { return x + x; }\nint used(int x) { return twice(x); }"
        status, output = self.check(source)
        self.assertEqual(status, 1)
        self.assertIn("'int twice<int>(int)' is shared", output)

    def test_an_inline_function_is_found_in_the_loops_of_the_peak_too(self):
        source = "inline int twice(int x) { return x + x; }\nint used(int x) { return twice(x); }"
        self.assertIn("'twice(int)' is shared", self.check(source, "peak/avx2.cpp.o")[1])

    def test_the_standard_library_is_found(self):
        source = "#include <vector>\nfloat used(std::vector<float>& x) { x.push_back(1.0F); return x[0]; }"
        self.assertIn("std::vector<float", self.check(source)[1])

    def test_other_objects_may_share(self):
        source = "inline int twice(int x) { return x + x; }\nint used(int x) { return twice(x); }"
        for name in ("mlxe_backend_cpu.dir/pooling.cpp.o", "bench_kernels.dir/kernels.cpp.o"):
            self.assertIn("none of the files", self.check(source, name)[1])


if __name__ == "__main__":
    unittest.main()
