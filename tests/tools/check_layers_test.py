# Tests of tools/check_layers.py on small trees with one planted violation each.
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import check_layers

# A tree that breaks no rule; each test changes one file of it.
GOOD = {
    "include/mlxe/error.h": ["#include <string>"],
    "include/mlxe/engine.h": ['#include "mlxe/error.h"'],
    "src/base/json.h": ["#include <nlohmann/json.hpp>", '#include "mlxe/error.h"'],
    "src/base/half.h": [],
    "src/tensor/ops.h": ['#include "base/half.h"'],
    "src/tokenizer/tokenizer.h": [],
    "src/weights/weight_map.h": ['#include "tensor/ops.h"', '#include "base/json.h"'],
    "src/nn/pooling.h": ['#include "tensor/ops.h"'],
    "src/models/architecture.h": ['#include "weights/weight_map.h"'],
    "src/models/bert.cpp": ['#include "models/architecture.h"', '#include "nn/pooling.h"'],
    "src/models/qwen.h": [],
    "src/models/registry.def": [],
    "src/models/registry.cpp": ['#include "models/registry.def"'],
    "src/hub/resolve.h": ['#include "base/half.h"'],
    "src/backend/cpu/arena.h": [],
    "src/backend/cpu/cpu_backend.h": ['#include "tensor/ops.h"', '#include "backend/cpu/arena.h"'],
    "src/backend/mlx/mlx_backend.h": ['#include "tensor/ops.h"'],
    "src/backend/mlx/ops.cpp": ["#include <mlx/mlx.h>"],
    "src/engine/engine.cpp": ['#include "mlxe/engine.h"', '#include "models/architecture.h"',
                              '#include "backend/cpu/cpu_backend.h"', '#include "tokenizer/tokenizer.h"'],
    "apps/cli/commands.h": [],
    "apps/cli/main.cpp": ["#include <iostream>", '#include "commands.h"', '#include "mlxe/engine.h"',
                          '#include "base/json.h"'],
    "tests/nn/pooling_test.cpp": ['#include "anything/at/all.h"'],
}


class CheckLayers(unittest.TestCase):
    def problems(self, changes=None, raw=None, hints=False):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, lines in {**GOOD, **(changes or {})}.items():
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("\n".join(["// What this is for.", *lines]) + "\n", encoding="utf-8")
            for name, text in (raw or {}).items():
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            return check_layers.check(root, hints)

    def expect(self, name, include, words):
        problems = self.problems({name: [f"#include {include}"]})
        self.assertEqual(len(problems), 1, problems)
        self.assertIn(name, problems[0])
        self.assertIn(words, problems[0])

    def test_a_tree_in_order_has_no_problems(self):
        self.assertEqual(self.problems(), [])

    def test_a_room_may_not_reach_up(self):
        self.expect("src/base/half.h", '"tensor/ops.h"', "base may not include tensor/ops.h")
        self.expect("src/tensor/ops.h", '"nn/pooling.h"', "tensor may not include")
        self.expect("src/weights/weight_map.h", '"models/architecture.h"', "weights may not include")

    def test_a_room_may_not_reach_sideways(self):
        self.expect("src/nn/pooling.h", '"weights/weight_map.h"', "nn may not include")
        self.expect("src/backend/mlx/mlx_backend.h", '"backend/cpu/cpu_backend.h"', "backend/mlx may not include")
        self.expect("src/models/bert.cpp", '"tokenizer/tokenizer.h"', "models may not include")

    def test_backends_are_included_by_the_engine_alone_and_by_the_door(self):
        self.expect("src/models/bert.cpp", '"backend/cpu/cpu_backend.h"', "models may not include")
        self.expect("src/engine/engine.cpp", '"backend/cpu/arena.h"', "may include only backend/cpu/cpu_backend.h")

    def test_the_engine_knows_no_concrete_model(self):
        self.expect("src/engine/engine.cpp", '"models/qwen.h"', "may include only models/architecture.h")

    def test_a_model_does_not_include_another(self):
        self.expect("src/models/bert.cpp", '"models/qwen.h"', "models share code through nn and models/shared")
        self.expect("src/models/bert.cpp", '"models/registry.def"', "models share code through nn and models/shared")
        self.expect("src/models/bert.cpp", '"qwen.h"', "models share code through nn and models/shared")

    def test_apps_see_the_public_headers_and_base(self):
        self.expect("apps/cli/main.cpp", '"engine/engine.cpp"', "apps may not include")
        self.expect("apps/cli/main.cpp", '"../../src/tensor/ops.h"', "apps may not include")

    def test_public_headers_show_the_standard_library_only(self):
        self.expect("include/mlxe/engine.h", "<nlohmann/json.hpp>", "JSON is read through")
        self.expect("include/mlxe/engine.h", "<fmt/format.h>", "only the standard library")
        self.expect("include/mlxe/engine.h", '"base/json.h"', "include/mlxe may not include")

    def test_rooms_below_the_engine_see_errors_but_not_the_engine(self):
        self.expect("src/nn/pooling.h", '"mlxe/engine.h"', "of the public headers, not mlxe/engine.h")

    def test_other_libraries_stay_in_their_rooms(self):
        self.expect("src/engine/engine.cpp", "<mlx/mlx.h>", "libmlx is behind backend/mlx")
        self.expect("src/engine/engine.cpp", "<iostream>", "does not print")
        self.expect("src/engine/engine.cpp", "<nlohmann/json.hpp>", "base/json.h")
        self.expect("src/engine/engine.cpp", "<boost/beast/http.hpp>", "HTTP")
        self.expect("src/base/half.h", '"mlxe_tok.h"', "behind tokenizer")

    def test_layers_and_backends_read_no_configuration(self):
        self.expect("src/nn/pooling.h", '"base/json.h"', "read no configuration")
        self.expect("src/backend/cpu/arena.h", '"base/json.h"', "read no configuration")

    def test_spaces_do_not_hide_an_include(self):
        problems = self.problems({"src/base/half.h": ['  #  include   "tensor/ops.h"']})
        self.assertEqual(len(problems), 1, problems)

    def test_an_include_must_be_found(self):
        self.expect("src/base/half.h", '"base/nowhere.h"', "is no file of this project")

    def test_a_new_room_needs_a_row(self):
        self.expect("src/extra/thing.h", "<string>", "src/extra is no room")

    def test_sizes(self):
        self.assertIn("the limit is 800", self.problems({"src/base/half.h": ["// x"] * 800})[0])
        self.assertEqual(self.problems({"src/base/half.h": ["// x"] * 799}), [])
        self.assertIn("asks to be split", self.problems({"src/base/half.h": ["// x"] * 400}, hints=True)[0])
        self.assertEqual(self.problems({"src/base/half.h": ["// x"] * 399}, hints=True), [])

    def test_first_lines(self):
        for name, good in {"src/base/half.h": "/* C too. */\n", "tools/x.py": '"""A docstring."""\n',
                           "tools/x.sh": "#!/bin/sh\n# What for.\n", "src/base/CMakeLists.txt": "# base\n"}.items():
            self.assertEqual(self.problems(raw={name: good}), [], name)
        for name, bad in {"src/base/half.h": "#pragma once\n", "tools/x.py": "import os\n", "tools/x.sh": "#!/bin/sh\n",
                          "src/base/CMakeLists.txt": "\n", "tests/x.cpp": ""}.items():
            problems = self.problems(raw={name: bad})
            self.assertEqual(len(problems), 1, name)
            self.assertIn("the first line must be a comment", problems[0])


if __name__ == "__main__":
    unittest.main()
