// `mlx_embeddings families`: the model families whose names and aliases the program knows.
#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "commands.h"
#include "exit_code.h"
#include "families_text.h"
#include "json_text.h"
#include "mlxe/engine.h"
#include "mlxe/families.h"
#include "standard_output.h"

namespace mlxe::cli {
namespace {

std::string json_list(const std::vector<std::string>& names) {
  std::string out = "[";
  for (const std::string& name : names) {
    out += fmt::format("{}\n      {}", out.size() > 1 ? "," : "", json_string(name));
  }
  return out + "\n    ]";
}

}  // namespace

std::string families_json() {
  const std::vector<std::string> supported = supported_model_types();
  std::string out = "{";
  for (const ModelFamily& family : model_families()) {
    const bool works = std::find(supported.begin(), supported.end(), family.model_type) != supported.end();
    out += fmt::format("{}\n  {}: {{\n", out.size() > 1 ? "," : "", json_string(family.name));
    out += fmt::format("    \"default\": {},\n", json_string(family.default_model));
    out += fmt::format("    \"variants\": {},\n", json_list(family.variants));
    out += fmt::format("    \"aliases\": {},\n", json_list(family.aliases));
    out += fmt::format("    \"model_type\": {},\n", json_string(family.model_type));
    out += fmt::format("    \"supported\": {}\n  }}", works);
  }
  return out + "\n}\n";
}

void add_families_command(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("families", "list the known model families, their models and aliases as JSON");
  command->footer("Example:\n  mlx_embeddings families");
  command->callback([&session] {
    session.action = [] {
      write_stdout(families_json());
      flush_stdout();
      return kExitOk;
    };
  });
}

}  // namespace mlxe::cli
