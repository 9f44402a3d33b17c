// Drawing one line over itself with a carriage return.
#include "progress_bar.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string_view>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace mlxe::cli {
namespace {

constexpr std::chrono::milliseconds kPatience{1000};  // shorter work is over before a bar could be read
constexpr std::chrono::milliseconds kRedraw{100};     // faster than the eye needs, too slow to cost anything
constexpr std::size_t kBarColumns = 24;
constexpr std::string_view kGreen = "\x1b[32m";
constexpr std::string_view kPlain = "\x1b[0m";

bool color_wanted() {
  const char* no_color = std::getenv("NO_COLOR");  // https://no-color.org: set and not empty
  return no_color == nullptr || *no_color == '\0';
}

std::size_t terminal_columns() {
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

std::string duration(double seconds) {
  const auto whole = static_cast<long>(seconds + 0.5);
  if (whole < 60) {
    return fmt::format("{} s", whole);
  }
  if (whole < 3600) {
    return fmt::format("{}:{:02} min", whole / 60, whole % 60);
  }
  return fmt::format("{}:{:02} h", whole / 3600, whole / 60 % 60);
}

std::string bar_text(double share) {
  const auto filled = static_cast<std::size_t>(share * static_cast<double>(kBarColumns));
  return fmt::format("[{}{}] {:3.0f} %  ", std::string(filled, '#'), std::string(kBarColumns - filled, '.'),
                     share * 100);
}

}  // namespace

std::string size_text(std::uint64_t bytes) {
  constexpr std::string_view kUnits[] = {"kB", "MB", "GB", "TB"};
  if (bytes < 1000) {
    return fmt::format("{} B", bytes);
  }
  double value = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  for (; value >= 999.95 && unit + 1 < std::size(kUnits); ++unit) {
    value /= 1000;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string transfer_line(const TransferProgress& progress, double seconds, std::size_t columns) {
  const double share =
      progress.total_bytes == 0
          ? 0
          : std::min(1.0, static_cast<double>(progress.done_bytes) / static_cast<double>(progress.total_bytes));
  const double rate = static_cast<double>(progress.new_bytes) / std::max(seconds, 1e-3);
  std::string line =
      bar_text(share) + fmt::format("{} of {}  {}/s", size_text(progress.done_bytes), size_text(progress.total_bytes),
                                    size_text(static_cast<std::uint64_t>(rate)));
  if (rate > 0 && progress.total_bytes > progress.done_bytes) {
    line += fmt::format("  ETA {}", duration(static_cast<double>(progress.total_bytes - progress.done_bytes) / rate));
  }
  line += fmt::format("  {}", progress.file);
  line.resize(std::min(line.size(), columns));
  return line;
}

std::string progress_line(std::optional<double> fraction, std::size_t texts, std::size_t tokens, double seconds,
                          std::size_t columns) {
  std::string line;
  if (fraction) {
    line = bar_text(std::clamp(*fraction, 0.0, 1.0));
  }
  line += fmt::format("{} texts  {:.0f} tokens/s", texts, static_cast<double>(tokens) / std::max(seconds, 1e-3));
  if (fraction && *fraction > 0) {
    line += fmt::format("  ETA {}", duration(seconds * (1 - std::min(*fraction, 1.0)) / *fraction));
  }
  line.resize(std::min(line.size(), columns));
  return line;
}

ProgressBar::ProgressBar(bool wanted) : enabled_(wanted && isatty(STDERR_FILENO) == 1), color_(color_wanted()) {}

ProgressBar::~ProgressBar() {
  wipe();
}

void ProgressBar::wipe() {
  if (drawn_columns_ > 0) {
    std::fputs(("\r" + std::string(drawn_columns_, ' ') + "\r").c_str(), stderr);
    drawn_columns_ = 0;
  }
}

bool ProgressBar::due() {
  const auto now = Clock::now();
  if (!enabled_ || now - start_ < kPatience || now - last_drawn_ < kRedraw) {
    return false;
  }
  last_drawn_ = now;
  return true;
}

void ProgressBar::update(std::optional<double> fraction, std::size_t texts, std::size_t tokens) {
  if (due()) {
    const double seconds = std::chrono::duration<double>(last_drawn_ - start_).count();
    draw(progress_line(fraction, texts, tokens, seconds, terminal_columns() - 1));
  }
}

void ProgressBar::update(const TransferProgress& progress) {
  if (progress.total_bytes > 0 && due()) {
    const double seconds = std::chrono::duration<double>(last_drawn_ - start_).count();
    draw(transfer_line(progress, seconds, terminal_columns() - 1));
  }
}

void ProgressBar::draw(const std::string& line) {
  const std::size_t padding = drawn_columns_ > line.size() ? drawn_columns_ - line.size() : 0;
  drawn_columns_ = line.size();
  // fputs, not fmt::print: a closed stderr must not become an exception.
  std::fputs(
      fmt::format("\r{}{}{}{}", color_ ? kGreen : "", line, color_ ? kPlain : "", std::string(padding, ' ')).c_str(),
      stderr);
}

}  // namespace mlxe::cli
