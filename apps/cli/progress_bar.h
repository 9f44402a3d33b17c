// The progress bar on stderr, for a terminal only and for work that takes over a second.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include "mlxe/hub.h"

namespace mlxe::cli {

class ProgressBar {
 public:
  explicit ProgressBar(bool wanted);  ///< stays silent if not wanted or if stderr is no terminal
  ~ProgressBar();                     ///< wipes the line
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// \param fraction  of the whole work, if its size is known
  void update(std::optional<double> fraction, std::size_t texts, std::size_t tokens);
  void update(const TransferProgress& progress);
  void wipe();  ///< makes room for a line of talk

 private:
  [[nodiscard]] bool due();
  void draw(const std::string& line);
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

/// Likewise, for bytes. \param seconds  in which new_bytes came
[[nodiscard]] std::string transfer_line(const TransferProgress& progress, double seconds, std::size_t columns);

/// "275.0 MB": powers of ten, as download pages count.
[[nodiscard]] std::string size_text(std::uint64_t bytes);

}  // namespace mlxe::cli
