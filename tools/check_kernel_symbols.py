# Checks that no object of an instruction set shares a function with code that runs on every CPU.
"""Run with object files: tools/check_kernel_symbols.py FILES; a test of ctest does. Lists what breaks the rule.

An inline function or a template that has a name outside its translation unit is a weak symbol, and the linker keeps one
copy of those that several objects define. Were it the copy compiled with -mavx512f, code that runs before or without a
look at the CPU would end in an illegal instruction. So an object of an instruction set defines no weak symbol: our
templates are in unnamed namespaces, and nothing of the standard library is called there.
"""
import argparse
import pathlib
import subprocess
import sys

# Where the translation units are that have their own flags: <instruction set>/kernels.cpp and attention.cpp,
# peak/<instruction set>.cpp.
KERNEL_FOLDER = "peak"
KERNEL_SOURCES = ("kernels.cpp", "attention.cpp")
# nm's letters: weak symbols with a definition, and GNU's unique ones. Lower case w and v have none.
SHARED = "WVu"


def is_kernel_object(path: pathlib.Path) -> bool:
    in_own_folder = path.name.startswith(KERNEL_SOURCES) and path.parent.suffix != ".dir"  # CMake's folder of a target
    return path.parent.name == KERNEL_FOLDER or in_own_folder


def shared_symbols(path: pathlib.Path) -> list[str]:
    lines = subprocess.run(["nm", "-C", "--defined-only", str(path)], check=True, capture_output=True, text=True).stdout
    fields = (line.split(maxsplit=2) for line in lines.splitlines())
    # DW.ref.*: the compiler's own data for exceptions.
    return [parts[2] for parts in fields
            if len(parts) == 3 and parts[1] in SHARED and not parts[2].startswith("DW.ref.")]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("objects", nargs="+", type=pathlib.Path, help="object files; others than kernels are left out")
    objects = sorted(path for path in parser.parse_args(arguments).objects if is_kernel_object(path))
    if not objects:
        print("kernel symbols: none of the files is an object of kernels", file=sys.stderr)
        return 1
    found = [(path, name) for path in objects for name in shared_symbols(path)]
    for path, name in found:
        print(f"{path}: '{name}' is shared with other objects, wanted a name of its own (an unnamed namespace)",
              file=sys.stderr)
    if not found:
        print(f"kernel symbols: {len(objects)} objects share none")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
