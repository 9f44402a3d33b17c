// `mlx_embeddings fill-mask`: the likeliest words in place of hidden ones.
#include <memory>
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

struct FillMaskFlags {
  RecordFlags records;
  std::size_t top_k = 5;
};

std::string table(std::string_view text, const FilledText& result) {
  std::string out = label(text, kLabelColumns) + "\n";
  for (std::size_t mask = 0; mask < result.masks.size(); ++mask) {
    for (const WordScore& word : result.masks[mask].words) {
      out += fmt::format("  {:>3} {:>8.4f}  {}\n", mask + 1, word.score, label(word.token, kLabelColumns));
    }
  }
  return out;
}

std::string json(const FilledText& result, std::size_t index) {
  std::string out = "{" + report_json(index, result.report) + ",\"masks\":[";
  for (std::size_t mask = 0; mask < result.masks.size(); ++mask) {
    out += fmt::format("{}{{\"position\":{},\"words\":[", mask > 0 ? "," : "", result.masks[mask].position);
    bool comma = false;
    for (const WordScore& word : result.masks[mask].words) {
      out += fmt::format("{}{{\"id\":{},\"token\":{},\"score\":", comma ? "," : "", word.id, json_string(word.token));
      append_number(out, word.score);
      out += "}";
      comma = true;
    }
    out += "]}";
  }
  return out + "]}";
}

int run_fill_mask(Session& session, const FillMaskFlags& flags) {
  require_model(session);
  TextSource source(flags.records.input);
  TextWindow first = source.next().value();  // a source without any text has thrown
  session.load.task = Task::kFillMask;
  const Engine engine = load_engine(session);
  FillMaskOptions options;
  options.top_k = flags.top_k;
  RecordWriter writer(flags.records, session);
  run_windows(engine, session, source, std::move(first), [&](const RunWindow& window) -> WindowResult {
    std::vector<FilledText> results = engine.fill_mask(window.texts, with_run(options, window));
    std::vector<ItemReport> items = reports_of(results);
    return {.items = std::move(items), .deliver = [&, results = std::move(results)] {
              for (std::size_t row = 0; row < results.size(); ++row) {
                writer.add(writer.wants_table() ? table(window.texts[row], results[row])
                                                : json(results[row], window.first + row));
              }
              writer.flush();
            }};
  });
  writer.finish();
  return kExitOk;
}

}  // namespace

void add_fill_mask_command(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("fill-mask", "print the likeliest words in place of a mask token");
  auto flags = std::make_shared<FillMaskFlags>();  // owned by the callbacks of this command alone
  add_record_flags(*command, flags->records, "texts");
  limit_to_range(command->add_option("--top-k", flags->top_k, "words for each mask [5]"), 1);
  add_model_flags(*command, session);
  add_run_flags(*command, session);
  command->footer("Example:\n  mlx_embeddings fill-mask -m ./bert-base-uncased \"bread rises by [MASK].\"");
  command->callback(
      [flags, &session] { session.action = [flags, &session] { return run_fill_mask(session, *flags); }; });
}

}  // namespace mlxe::cli
