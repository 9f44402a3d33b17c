// `mlx_embeddings cache`: what the Hugging Face cache holds, and how to get rid of it.
#include <algorithm>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "commands.h"
#include "exit_code.h"
#include "flag_text.h"
#include "json_text.h"
#include "mlxe/hub.h"
#include "progress_bar.h"
#include "standard_output.h"

namespace mlxe::cli {
namespace {

struct CacheFlags {
  std::string output = "table";
  std::string name;
};

std::string json_list(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) {
    out += fmt::format("{}{}", out.empty() ? "" : ", ", json_string(text));
  }
  return "[" + out + "]";
}

std::string json_of(const CachedModel& model) {
  return fmt::format(
      "{{\"repository\": {}, \"folder\": {}, \"size\": {}, \"incomplete\": {}, \"files\": {}, \"revisions\": {}, "
      "\"commits\": {}, \"modified\": {}}}",
      json_string(model.repository), json_string(model.folder), model.size, model.incomplete, model.num_files,
      json_list(model.revisions), json_list(model.commits), model.modified);
}

std::string as_json(const std::vector<CachedModel>& models) {
  std::string out = fmt::format("{{\n  \"cache\": {},\n  \"models\": [", json_string(cache_folder()));
  for (const CachedModel& model : models) {
    out += fmt::format("{}\n    {}", &model == &models.front() ? "" : ",", json_of(model));
  }
  return out + (models.empty() ? "]\n}\n" : "\n  ]\n}\n");
}

std::string as_table(const std::vector<CachedModel>& models) {
  if (models.empty()) {
    return fmt::format("the cache {} holds no models\n", cache_folder());
  }
  std::size_t width = 0;
  std::uint64_t size = 0;
  for (const CachedModel& model : models) {
    width = std::max(width, model.repository.size());
    size += model.size;
  }
  std::string out;
  for (const CachedModel& model : models) {
    out += fmt::format("{:<{}}  {:>10}  {:%Y-%m-%d}  {}", model.repository, width, size_text(model.size),
                       fmt::gmtime(static_cast<std::time_t>(model.modified)), fmt::join(model.revisions, ", "));
    if (model.incomplete > 0) {
      out += fmt::format("  ({} of interrupted downloads)", size_text(model.incomplete));
    }
    out += '\n';
  }
  return out + fmt::format("{:<{}}  {:>10}  in {}\n", fmt::format("{} models", models.size()), width, size_text(size),
                           cache_folder());
}

int run_list(const CacheFlags& flags) {
  const std::vector<CachedModel> models = cached_models();
  write_stdout(flags.output == "json" ? as_json(models) : as_table(models));
  flush_stdout();
  return kExitOk;
}

int run_delete(const CacheFlags& flags) {
  const CachedModel model = delete_cached_model(flags.name);
  write_stdout(flags.output == "json" ? json_of(model) + "\n"
                                      : fmt::format("deleted {}, {}\n", model.repository, size_text(model.size)));
  flush_stdout();
  return kExitOk;
}

}  // namespace

void add_cache_command(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("cache", "list the models of the Hugging Face cache, or delete one");
  auto flags = std::make_shared<CacheFlags>();  // owned by the callbacks of this command alone
  limit_to_names(command->add_option("--output", flags->output, "what to print [table]"), {"table", "json"});
  command->footer("Example:\n  mlx_embeddings cache\n  mlx_embeddings cache delete BAAI/bge-small-en-v1.5");
  CLI::App* remove = command->add_subcommand("delete", "delete a model, all its revisions");
  add_text_option(*remove, "model", flags->name, "an alias or ORG/NAME")->required()->type_name("NAME");
  limit_to_names(remove->add_option("--output", flags->output, "what to print [table]"), {"table", "json"});
  remove->footer("Example:\n  mlx_embeddings cache delete BAAI/bge-small-en-v1.5");
  command->require_subcommand(0, 1);
  command->callback([flags, remove, &session] {
    const bool deletes = remove->parsed();
    session.action = [flags, deletes] { return deletes ? run_delete(*flags) : run_list(*flags); };
  });
}

}  // namespace mlxe::cli
