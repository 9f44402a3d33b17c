// `mlx_embeddings sparse`: the words that a text has to do with, with their weights.
#include <algorithm>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "commands.h"
#include "exit_code.h"
#include "flag_text.h"
#include "json_text.h"
#include "labels.h"
#include "record_output.h"
#include "window_run.h"

namespace mlxe::cli {
namespace {

constexpr std::size_t kLabelColumns = 72;
constexpr std::size_t kTableWords = 10;  // of a text, unless --top-k says otherwise

struct SparseFlags {
  RecordFlags records;
  std::optional<std::size_t> top_k;
};

std::string table(const Engine& engine, std::string_view text, const SparseVector& vector, std::size_t count) {
  std::vector<std::size_t> order(vector.ids.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::ranges::greater{}, [&](std::size_t i) { return vector.weights[i]; });
  std::string out = fmt::format("{} ({} words)\n", label(text, kLabelColumns), vector.ids.size());
  order.resize(std::min(order.size(), count));
  for (const std::size_t i : order) {
    out += fmt::format("  {:>8.4f}  {:>7}  {}\n", vector.weights[i], vector.ids[i],
                       label(engine.token(vector.ids[i]), kLabelColumns));
  }
  return out;
}

std::string json(const Engine& engine, const SparseVector& vector, std::size_t index) {
  std::string out =
      "{" + report_json(index, vector.report) + fmt::format(",\"ids\":[{}],\"weights\":", fmt::join(vector.ids, ","));
  append_numbers(out, vector.weights);
  out += ",\"words\":[";
  for (std::size_t i = 0; i < vector.ids.size(); ++i) {
    out += (i > 0 ? "," : "") + json_string(engine.token(vector.ids[i]));
  }
  return out + "]}";
}

int run_sparse(Session& session, const SparseFlags& flags) {
  require_model(session);
  TextSource source(flags.records.input);
  TextWindow first = source.next().value();  // a source without any text has thrown
  session.load.task = Task::kSparse;
  const Engine engine = load_engine(session);
  SparseOptions options;
  options.prompt = session.embed.prompt;
  options.prompt_name = session.embed.prompt_name;
  options.max_active = flags.top_k;
  RecordWriter writer(flags.records, session);
  run_windows(engine, session, source, std::move(first), [&](const RunWindow& window) -> WindowResult {
    std::vector<SparseVector> results = engine.sparse(window.texts, with_run(options, window));
    std::vector<ItemReport> items = reports_of(results);
    return {.items = std::move(items), .deliver = [&, results = std::move(results)] {
              for (std::size_t row = 0; row < results.size(); ++row) {
                writer.add(writer.wants_table()
                               ? table(engine, window.texts[row], results[row], flags.top_k.value_or(kTableWords))
                               : json(engine, results[row], window.first + row));
              }
              writer.flush();
            }};
  });
  writer.finish();
  return kExitOk;
}

}  // namespace

void add_sparse_command(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("sparse", "turn texts into weights of words (SPLADE)");
  auto flags = std::make_shared<SparseFlags>();  // owned by the callbacks of this command alone
  add_record_flags(*command, flags->records, "texts");
  limit_to_range(command->add_option_function<int>(
                     "--top-k", [flags](int count) { flags->top_k = static_cast<std::size_t>(count); },
                     "keep the N largest weights [all; a table shows 10]"),
                 1);
  add_model_flags(*command, session);
  add_prompt_flags(*command, session);
  add_run_flags(*command, session);
  command->footer("Example:\n  mlx_embeddings sparse -m ./splade-v3 -i passages.txt --output jsonl");
  command->callback([flags, &session] { session.action = [flags, &session] { return run_sparse(session, *flags); }; });
}

}  // namespace mlxe::cli
