// The progress bar on stderr, for a terminal only and for work that takes over a second.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

namespace mlxe::cli {

class ProgressBar {
 public:
  explicit ProgressBar(bool wanted);  ///< stays silent if not wanted or if stderr is no terminal
  ~ProgressBar();                     ///< wipes the line
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// \param fraction  of the whole work, if its size is known
  void update(std::optional<double> fraction, std::size_t texts, std::size_t tokens);

 private:
  using Clock = std::chrono::steady_clock;

  bool enabled_;
  bool color_;
  std::size_t drawn_columns_ = 0;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_drawn_ = start_;
};

/// The line without colour, `columns` wide at most. Separate so that it can be read without a terminal.
[[nodiscard]] std::string progress_line(std::optional<double> fraction, std::size_t texts, std::size_t tokens,
                                        double seconds, std::size_t columns);

}  // namespace mlxe::cli
