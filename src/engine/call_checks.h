// What every call on texts does around the work: inputs are checked, results are checked, progress is told.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/utf8.h"
#include "mlxe/error.h"
#include "mlxe/options.h"
#include "mlxe/output.h"

namespace mlxe {

/// \param info    of the loaded model
/// \param wanted  what a call wants of it: "vectors want the task 'embed'"
inline void expect_task(bool is_right, const ModelInfo& info, std::string_view wanted) {
  if (!is_right) {
    throw Error(ErrorCode::kUnsupported, fmt::format("the model is loaded for the task '{}' (decided by: {}), {}",
                                                     info.task, info.task_source, wanted));
  }
}

inline void check_utf8(std::span<const std::string_view> texts, std::string_view noun = "text") {
  for (std::size_t index = 0; index < texts.size(); ++index) {
    if (!is_valid_utf8(texts[index])) {
      throw Error(ErrorCode::kInvalidInput, std::string(noun), index, "is not valid UTF-8");
    }
  }
}

inline void check_finite(std::span<const float> values, std::size_t index, std::string_view noun = "text") {
  if (!std::ranges::all_of(values, [](float value) { return std::isfinite(value); })) {
    throw Error(ErrorCode::kNonFinite, std::string(noun), index,
                "has a result with NaN or infinity, which was withheld; wanted finite values");
  }
}

// Counts finished texts and asks the caller whether to go on.
class ProgressReporter {
 public:
  ProgressReporter(const std::function<bool(const Progress&)>& callback, std::size_t total)
      : callback_(callback), progress_{.done = 0, .total = total, .tokens = 0} {}

  void advance(std::size_t texts, std::size_t tokens) {
    if (!callback_) {
      return;
    }
    const std::lock_guard lock(mutex_);
    progress_.done += texts;
    progress_.tokens += tokens;
    report();
  }

  // Texts without tokens are in no micro-batch; they are done at the end.
  void finish() {
    if (callback_ && progress_.done < progress_.total) {
      progress_.done = progress_.total;
      report();
    }
  }

 private:
  void report() const {
    if (!callback_(progress_)) {
      throw Error(ErrorCode::kCancelled,
                  fmt::format("cancelled after {} of {} texts", progress_.done, progress_.total));
    }
  }

  const std::function<bool(const Progress&)>& callback_;
  std::mutex mutex_;
  Progress progress_;
};

}  // namespace mlxe
