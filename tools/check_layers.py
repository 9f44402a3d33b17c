# Checks every #include, the size of every file and its first line against the rules of docs/architecture.md.
"""Run from anywhere: python tools/check_layers.py [--root FOLDER] [--hints]. Lists what breaks a rule; exits with 1 then.

The table below is the text's: a room may include itself and the rooms that it lists, never one above or beside it.
"""

import argparse
import pathlib
import re
import sys

# Rooms of src/, from the lowest; what each may include besides itself, the standard library and other libraries.
ROOMS = {
    "base": set(),
    "tensor": {"base"},
    "tokenizer": {"base", "tensor"},
    "image": {"base", "tensor"},
    "weights": {"base", "tensor"},
    "nn": {"base", "tensor"},
    "models": {"base", "tensor", "weights", "nn"},
    "processors": {"base", "tensor", "tokenizer", "image"},
    "hub": {"base"},
    "convert": {"base", "tensor", "weights"},
    "engine": {"base", "tensor", "tokenizer", "image", "weights", "nn", "models", "processors", "hub", "convert",
               "backend/cpu", "backend/mlx"},
    "backend/cpu": {"base", "tensor"},
    "backend/mlx": {"base", "tensor"},
}
FRONT = {"include/mlxe": set(), "apps": {"base"}, "python": set()}

# The public headers that every room may include: they know nothing of the library above them.
PUBLIC_FOR_ALL = {"mlxe/error.h", "mlxe/version.h"}
# The rooms that implement public headers, and the folders in front of them.
PUBLIC_USERS = {"engine", "hub", "convert", "include/mlxe", "apps", "python"}

# The only headers of these rooms that a room above them may include.
DOORS = {
    "backend/cpu": {"backend/cpu/cpu_backend.h"},
    "backend/mlx": {"backend/mlx/mlx_backend.h"},
    "models": {"models/architecture.h"},
}

# Headers of other libraries (or of base) with the only places that may include them, and why.
ONLY_IN = [
    (r"mlx/.*", {"backend/mlx", "python"}, "libmlx is behind backend/mlx"),
    (r"mlxe_tok\.h", {"tokenizer"}, "the tokenizers crate is behind tokenizer"),
    (r"iostream|print", {"apps"}, "the library does not print"),
    (r"nlohmann/.*", {"base", "apps"}, "JSON is read through base/json.h"),
    (r"(boost/beast|curl)/.*|httplib\.h", {"hub", "apps"}, "HTTP belongs to hub and the server"),
]
# Headers that these rooms must never include, whatever the table allows.
NEVER = [
    ("nn", r"base/(json|files)\.h", "layers read no configuration"),
    ("backend/cpu", r"base/(json|files)\.h", "backends read no configuration and no files"),
    ("backend/mlx", r"base/(json|files)\.h", "backends read no configuration and no files"),
]

SIZE_LIMIT = 800
SIZE_HINT = 400

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
CODE_SUFFIXES = {".h", ".cpp", ".def", ".c", ".mm"}
# How a first line that says something begins.
COMMENTS = {suffix: r"(//|/\*)[/!*]?\s*[^\s/*]" for suffix in (*CODE_SUFFIXES, ".rs")} | {
    suffix: r"#\s*[^\s#]" for suffix in (".sh", ".cmake", ".toml", ".txt")} | {".py": r"(#|[rb]?\"\"\")\s*[^\s#]"}
CHECKED_FOLDERS = ("src", "include", "apps", "python", "tests", "bench", "tools", "cmake")
SKIPPED_FOLDERS = {"target", "fixtures", "__pycache__", "build"}


def files_below(folder):
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name not in SKIPPED_FOLDERS and not path.name.startswith("."):
                yield from files_below(path)
        elif path.suffix in COMMENTS:
            yield path


def place_of(name):
    """The room or front folder that a path relative to the root belongs to; None for tests and the like."""
    parts = name.split("/")
    if parts[0] == "src" and len(parts) > 2:
        return "/".join(parts[1:3]) if parts[1] == "backend" else parts[1]
    if name.startswith("include/mlxe/"):
        return "include/mlxe"
    return parts[0] if parts[0] in FRONT else None


def resolve(root, includer, header):
    """The file that a quoted header means, relative to the root, by the search order of the build; None if nowhere."""
    for folder in (includer.parent, root / "src", root / "include"):
        path = (folder / header).resolve()
        if path.is_file() and path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return None


def check_own_header(place, target, header):
    """What is wrong with `place` including a header of our own that lies in `target`; None if nothing is."""
    if target == place:
        return None
    if target == "include/mlxe":
        if header in PUBLIC_FOR_ALL or place in PUBLIC_USERS:
            return None
        return f"{place} may include {' and '.join(sorted(PUBLIC_FOR_ALL))} of the public headers, not {header}"
    allowed = ROOMS.get(place, FRONT.get(place, set()))
    if target not in allowed:
        listed = ", ".join(sorted(allowed)) or "no other room"
        return f"{place} may not include {header}: it may include {listed}"
    if target in DOORS and header not in DOORS[target]:
        return f"{place} may include only {', '.join(sorted(DOORS[target]))} of {target}, not {header}"
    return None


def check_include(root, path, place, quoted, header):
    name = path.relative_to(root).as_posix()
    for pattern, places, reason in ONLY_IN:
        if re.fullmatch(pattern, header) and place not in places:
            return f"{place} may not include {header}: {reason}"
    for room, pattern, reason in NEVER:
        if room == place and re.fullmatch(pattern, header):
            return f"{place} may not include {header}: {reason}"
    if not quoted:
        if place == "include/mlxe" and ("/" in header or header.endswith(".h")):
            return f"include/mlxe may include only the standard library and itself, not <{header}>"
        return None
    found = resolve(root, path, header)
    if found is None:
        return f"{header} is no file of this project; other libraries' headers go in <>"
    full_header = found.removeprefix("src/").removeprefix("include/")  # as it is written from another room
    if place == "models" and full_header.startswith("models/") and full_header not in DOORS["models"]:
        is_table = (name, full_header) == ("src/models/registry.cpp", "models/registry.def")
        if not is_table and not full_header.startswith("models/shared/"):
            return f"a model includes {full_header}: models share code through nn and models/shared, not each other's files"
    return check_own_header(place, place_of(found), full_header)


def check_file(root, path, hints):
    name = path.relative_to(root).as_posix()
    lines = path.read_text(encoding="utf-8").splitlines()
    if len(lines) > SIZE_LIMIT:
        yield f"{name}: has {len(lines)} lines, the limit is {SIZE_LIMIT}"
    elif hints and len(lines) > SIZE_HINT:
        yield f"{name}: hint: has {len(lines)} lines, beyond {SIZE_HINT} a file asks to be split"
    first = 1 if lines and lines[0].startswith("#!") else 0
    if len(lines) <= first or not re.match(COMMENTS[path.suffix], lines[first]):
        yield f"{name}:{first + 1}: the first line must be a comment that says what the file is for"
    place = place_of(name)
    if path.suffix not in CODE_SUFFIXES or place is None:
        return
    if place not in ROOMS and place not in FRONT:
        yield f"{name}: src/{place} is no room of the table in tools/check_layers.py"
        return
    for number, line in enumerate(lines, 1):
        if match := INCLUDE.match(line):
            if problem := check_include(root, path, place, match[1] == '"', match[2]):
                yield f"{name}:{number}: {problem}"


def check(root, hints=False):
    """All problems of the tree at `root`, one line each."""
    root = root.resolve()
    folders = [root / folder for folder in CHECKED_FOLDERS if (root / folder).is_dir()]
    return [problem for folder in folders for path in files_below(folder) for problem in check_file(root, path, hints)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--hints", action="store_true", help=f"list files of more than {SIZE_HINT} lines too")
    args = parser.parse_args()
    problems = check(args.root, args.hints)
    print("\n".join(problems) if problems else "layers: every include, size and first line is in order")
    sys.exit(any(": hint: " not in problem for problem in problems))


if __name__ == "__main__":
    main()
