// Everything that a TextSource gives, window after window, with the progress bar, the truncation report and Ctrl-C.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "mlxe/engine.h"
#include "session.h"
#include "text_source.h"

namespace mlxe::cli {

/// What a whole run came to.
struct RunReport {
  std::size_t num_texts = 0;
  std::size_t num_truncated = 0;
  int truncated_to = 0;  ///< tokens of the longest truncated text
  std::size_t num_tokens = 0;
  double seconds = 0;
};

/// One window of texts as the engine takes them, and where it stands in the run.
struct RunWindow {
  const TextWindow& source;
  std::span<const std::string_view> texts;
  std::size_t first = 0;  ///< index of its first text in the whole run
  RunOptions options;     ///< limits, progress and Ctrl-C
};

/// What the work on a window gave. `deliver` prints or keeps it; it is called once no text was found too long.
struct WindowResult {
  std::vector<ItemReport> items;  ///< one for each text
  std::function<void()> deliver;
};
using WindowWork = std::function<WindowResult(const RunWindow& window)>;

/// The first window was read by the caller, so that mistakes in it show before the model is loaded. Says on stderr how
/// many texts were truncated.
/// \throws Error{kTooLong} naming the text if session.embed.on_overflow is kError, Error{kCancelled} on Ctrl-C,
///         and whatever the work and TextSource::next throw
RunReport run_windows(const Engine& engine, const Session& session, TextSource& source, TextWindow first,
                      const WindowWork& work);

/// `options` with the limits of the window.
template <typename Options>
[[nodiscard]] Options with_run(Options options, const RunWindow& window) {
  static_cast<RunOptions&>(options) = window.options;
  return options;
}

/// The reports of results that have one each.
template <typename Result>
[[nodiscard]] std::vector<ItemReport> reports_of(const std::vector<Result>& results) {
  std::vector<ItemReport> reports;
  for (const Result& result : results) {
    reports.push_back(result.report);
  }
  return reports;
}

}  // namespace mlxe::cli
