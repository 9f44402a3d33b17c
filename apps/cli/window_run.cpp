// The loop over windows that all commands share.
#include "window_run.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "interrupt.h"
#include "mlxe/error.h"
#include "progress_bar.h"

namespace mlxe::cli {
namespace {

/// What one run has done so far.
struct RunState {
  RunReport report;
  std::size_t bytes_done = 0;
  std::optional<std::size_t> total_bytes;
  ProgressBar bar;

  // Texts of a window are sorted by length inside, so its own share counts by texts.
  [[nodiscard]] std::optional<double> fraction(const TextWindow& window, const Progress& progress) const {
    if (!total_bytes || *total_bytes == 0 || progress.total == 0) {
      return std::nullopt;
    }
    const double share = static_cast<double>(progress.done) / static_cast<double>(progress.total);
    return (static_cast<double>(bytes_done) + share * static_cast<double>(window.bytes)) /
           static_cast<double>(*total_bytes);
  }
};

[[noreturn]] void throw_too_long(const Engine& engine, const std::string& name, const ItemReport& item) {
  throw Error(
      ErrorCode::kTooLong,
      fmt::format("{} has {} tokens, at most {} are allowed (the model's own limit is {}); --max-length changes "
                  "the limit, --on-overflow truncate cuts the text",
                  name, item.tokens_in_text, item.tokens, engine.info().max_positions));
}

void work_on_window(const Engine& engine, const Session& session, const TextSource& source, const TextWindow& window,
                    const WindowWork& work, RunState& state) {
  const std::vector<std::string_view> texts(window.texts.begin(), window.texts.end());
  RunWindow run{.source = window, .texts = texts, .first = state.report.num_texts, .options = {}};
  run.options.max_length = session.embed.max_length;
  run.options.batch_tokens = session.embed.batch_tokens;
  // Overflow is checked here, as the engine counts texts from this window's first and a user counts lines.
  run.options.on_overflow = Overflow::kTruncate;
  run.options.on_progress = [&](const Progress& progress) {
    state.bar.update(state.fraction(window, progress), state.report.num_texts + progress.done,
                     state.report.num_tokens + progress.tokens);
    return interrupt_signal() == 0;
  };
  WindowResult result;
  try {
    result = work(run);
  } catch (const Error& error) {
    if (!error.item() || *error.item() >= texts.size()) {
      throw;
    }
    // The engine counts this window's texts from 0; a user counts lines, or arguments from 1.
    throw Error(error.code(), fmt::format("{} {}", source.name_of(window, *error.item()), error.problem()));
  }
  for (std::size_t i = 0; i < result.items.size(); ++i) {
    const ItemReport& item = result.items[i];
    if (item.truncated() && session.embed.on_overflow == Overflow::kError) {
      throw_too_long(engine, source.name_of(window, i), item);
    }
    if (item.truncated()) {
      state.report.num_truncated += 1;
      state.report.truncated_to = std::max(state.report.truncated_to, item.tokens);
    }
    state.report.num_tokens += static_cast<std::size_t>(item.tokens);
  }
  result.deliver();
  state.report.num_texts += result.items.size();
  state.bytes_done += window.bytes;
}

void say_truncation(const Engine& engine, const Session& session, const RunReport& report) {
  if (report.num_truncated == 0) {
    return;
  }
  const int limit = report.truncated_to;
  const int positions = engine.info().max_positions;
  say(session, fmt::format("{} of {} texts {} truncated to {} tokens; {}", report.num_truncated, report.num_texts,
                           report.num_truncated == 1 ? "was" : "were", limit,
                           limit < positions ? fmt::format("--max-length raises the limit up to {}", positions)
                                             : std::string("the model reads no more")));
}

}  // namespace

RunReport run_windows(const Engine& engine, const Session& session, TextSource& source, TextWindow first,
                      const WindowWork& work) {
  const auto start = std::chrono::steady_clock::now();
  RunReport report;
  {
    RunState state{{}, 0, source.total_bytes(), ProgressBar(!session.quiet)};
    std::optional<TextWindow> window = std::move(first);
    while (window) {
      work_on_window(engine, session, source, *window, work, state);
      throw_if_interrupted();
      window = source.next();
    }
    report = state.report;
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  say_truncation(engine, session, report);
  const double seconds = std::max(report.seconds, 1e-9);
  detail(session, fmt::format("{} texts, {} tokens in {:.2f} s: {:.0f} texts/s, {:.0f} tokens/s", report.num_texts,
                              report.num_tokens, report.seconds, static_cast<double>(report.num_texts) / seconds,
                              static_cast<double>(report.num_tokens) / seconds));
  return report;
}

}  // namespace mlxe::cli
