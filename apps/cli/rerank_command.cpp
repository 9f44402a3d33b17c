// `mlx_embeddings rerank`: documents in the order of how well they answer a query.
#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "base/utf8.h"
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

struct RerankFlags {
  RecordFlags records;
  std::string query;
  std::optional<std::size_t> top_k;
  std::optional<std::string> instruction;
  bool raw = false;
};

struct Candidate {
  std::size_t index = 0;
  float score = 0;
  ItemReport report;
  std::string text;
};

// Each window comes sorted; a stable sort keeps its order where scores are equal.
void keep_best(std::vector<Candidate>& candidates, std::size_t count) {
  std::ranges::stable_sort(candidates, std::ranges::greater{}, &Candidate::score);
  if (candidates.size() > count) {
    candidates.erase(candidates.begin() + static_cast<std::ptrdiff_t>(count), candidates.end());
  }
}

std::string table_line(const Candidate& candidate, std::size_t rank) {
  return fmt::format("{:>4} {:>12.6g}  {:>6}  {}\n", rank, candidate.score, candidate.index + 1,
                     label(candidate.text, kLabelColumns));
}

std::string json_record(const Candidate& candidate, std::size_t rank) {
  std::string out = fmt::format("{{\"rank\":{},{},\"score\":", rank, report_json(candidate.index, candidate.report));
  append_number(out, candidate.score);
  return out + ",\"text\":" + json_string(candidate.text) + "}";
}

int run_rerank(Session& session, const RerankFlags& flags) {
  require_model(session);
  if (!is_valid_utf8(flags.query)) {
    throw Error(ErrorCode::kInvalidInput, "the query is not valid UTF-8");
  }
  TextSource source(flags.records.input);
  TextWindow first = source.next().value();  // a source without any text has thrown
  session.load.task = Task::kRerank;
  const Engine engine = load_engine(session);
  if (engine.info().is_listwise) {  // its documents are read together
    while (std::optional<TextWindow> more = source.next()) {
      std::ranges::move(more->texts, std::back_inserter(first.texts));
      std::ranges::copy(more->lines, std::back_inserter(first.lines));
      first.bytes += more->bytes;
    }
  }
  RerankOptions options;
  options.top_k = flags.top_k;
  options.instruction = flags.instruction;
  options.scores = flags.raw ? ScoreKind::kRaw : ScoreKind::kDeclared;

  std::vector<Candidate> best;
  run_windows(engine, session, source, std::move(first), [&](const RunWindow& window) -> WindowResult {
    RerankOptions all = with_run(options, window);
    all.top_k.reset();  // every document is reported on, the best ones are chosen over all windows
    std::vector<RankedDocument> ranked = engine.rerank(flags.query, window.texts, all);
    std::vector<ItemReport> items(ranked.size());
    for (const RankedDocument& document : ranked) {
      items[document.index] = document.report;
    }
    return {.items = std::move(items), .deliver = [&, begin = window.first, ranked = std::move(ranked)] {
              for (const RankedDocument& document : ranked) {
                best.push_back({.index = begin + document.index,
                                .score = document.score,
                                .report = document.report,
                                .text = std::string(window.texts[document.index])});
              }
              keep_best(best, flags.top_k.value_or(std::numeric_limits<std::size_t>::max()));
            }};
  });
  RecordWriter writer(flags.records, session);
  if (writer.wants_table()) {
    writer.add(fmt::format("{:>4} {:>12}  {:>6}  {}\n", "rank", "score", "number", "document"));
  }
  for (std::size_t rank = 1; rank <= best.size(); ++rank) {
    writer.add(writer.wants_table() ? table_line(best[rank - 1], rank) : json_record(best[rank - 1], rank));
  }
  writer.finish();
  return kExitOk;
}

}  // namespace

void add_rerank_command(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("rerank", "order documents by how well they answer a query");
  auto flags = std::make_shared<RerankFlags>();  // owned by the callbacks of this command alone
  add_text_option(*command, "--query", flags->query, "what is asked")->required();
  add_record_flags(*command, flags->records, "documents");
  limit_to_range(command->add_option_function<int>(
                     "--top-k", [flags](int count) { flags->top_k = static_cast<std::size_t>(count); },
                     "print only the N best [all]"),
                 1);
  add_text_option(*command, "--instruction", flags->instruction,
                  "what relevant means, for models that are asked in words [find passages that answer the query]");
  command->add_flag("--raw", flags->raw, "print the model's own scores, without its sigmoid");
  add_model_flags(*command, session);
  add_run_flags(*command, session);
  command->footer(
      "Example:\n"
      "  mlx_embeddings rerank -m ./bge-reranker-base --query \"why does bread rise?\" -i passages.txt --top-k 5");
  command->callback([flags, &session] { session.action = [flags, &session] { return run_rerank(session, *flags); }; });
}

}  // namespace mlxe::cli
