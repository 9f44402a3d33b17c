// `mlx_embeddings tokens`: the tokens of each text alone, and what is cut off.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "commands.h"
#include "exit_code.h"
#include "json_text.h"
#include "labels.h"
#include "record_output.h"
#include "window_run.h"

namespace mlxe::cli {
namespace {

constexpr std::size_t kLabelColumns = 48;

// Where the part of the text that the model reads ends, in characters.
int end_of_kept(const TokenizedText& text) {
  int end = 0;
  for (std::size_t token = 0; token < text.ids.size(); ++token) {
    if (text.special[token] == 0) {
      end = std::max(end, text.offsets[token].second);
    }
  }
  return end;
}

std::string table(std::string_view text, const TokenizedText& result) {
  std::string out = fmt::format(
      "{} ({} tokens{})\n", label(text, kLabelColumns), result.report.tokens,
      result.report.truncated()
          ? fmt::format(" of {}; cut from character {} on", result.report.tokens_in_text, end_of_kept(result))
          : "");
  for (std::size_t token = 0; token < result.ids.size(); ++token) {
    const std::string place = result.special[token] != 0
                                  ? "special"
                                  : fmt::format("{}-{}", result.offsets[token].first, result.offsets[token].second);
    out += fmt::format("  {:>7}  {:<11}  {}\n", result.ids[token], place, label(result.tokens[token], kLabelColumns));
  }
  return out;
}

std::string json(const TokenizedText& result, std::size_t index) {
  std::string out =
      "{" + report_json(index, result.report) +
      fmt::format(",\"kept_characters\":{},\"ids\":[{}],\"words\":[", end_of_kept(result), fmt::join(result.ids, ","));
  for (std::size_t token = 0; token < result.tokens.size(); ++token) {
    out += (token > 0 ? "," : "") + json_string(result.tokens[token]);
  }
  out += "],\"offsets\":[";
  for (std::size_t token = 0; token < result.offsets.size(); ++token) {
    out += fmt::format("{}[{},{}]", token > 0 ? "," : "", result.offsets[token].first, result.offsets[token].second);
  }
  return out + fmt::format("],\"special\":[{}]}}", fmt::join(result.special, ","));
}

int run_tokens(const Session& session, const RecordFlags& flags) {
  require_model(session);
  TextSource source(flags.input);
  TextWindow first = source.next().value();  // a source without any text has thrown
  const Engine engine = load_engine(session);
  if (const ModelInfo& info = engine.info(); !info.default_prompt_name.empty() || !info.late_interaction.empty()) {
    say(session, "warning: the text alone is shown; embed adds a prompt or marks, which take their part of the limit");
  }
  RecordWriter writer(flags, session);
  run_windows(engine, session, source, std::move(first), [&](const RunWindow& window) -> WindowResult {
    std::vector<TokenizedText> results = engine.tokenize(window.texts, window.options);
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

void add_tokens_command(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("tokens", "print the tokens of texts (prompts left out), their places and what is cut off");
  auto flags = std::make_shared<RecordFlags>();  // owned by the callbacks of this command alone
  add_record_flags(*command, *flags, "texts");
  add_model_flags(*command, session);
  add_task_flag(*command, session);
  add_run_flags(*command, session);
  command->footer("Example:\n  mlx_embeddings tokens -m ./all-MiniLM-L6-v2 \"unbelievable\" --max-length 16");
  command->callback([flags, &session] { session.action = [flags, &session] { return run_tokens(session, *flags); }; });
}

}  // namespace mlxe::cli
