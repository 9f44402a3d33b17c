// The texts to embed, from arguments, a file or standard input, in windows so that memory stays flat.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace mlxe::cli {

/// Some of the texts, in order.
struct TextWindow {
  std::vector<std::string> texts;
  std::vector<std::string> pair_texts;  ///< what belongs to each as a second text; empty without TextInput::pair_field
  std::vector<std::size_t> lines;       ///< line number of each, from 1; empty for arguments
  std::size_t bytes = 0;                ///< of the input that the window used up
};

/// Where `-i` and the arguments say the texts come from.
struct TextInput {
  std::vector<std::string> arguments;
  std::optional<std::string> file;        ///< "-" is standard input
  std::optional<std::string> field;       ///< JSON lines: the key of the text
  std::optional<std::string> pair_field;  ///< JSON lines: the key of a second text
};

/// Lines end with LF or CRLF; the last one may lack it; an empty line is an empty text. A byte order mark at the very
/// start is dropped. JSON lines (a field is given, or the file ends in .jsonl): blank lines are skipped.
class TextSource {
 public:
  /// Checks and opens the input, so that mistakes show before a model is loaded.
  /// \throws Error{kInvalidInput} for both, neither, or a text that is no UTF-8; Error{kIo} if the file cannot be read
  explicit TextSource(const TextInput& input);
  ~TextSource();
  TextSource(TextSource&&) noexcept;
  TextSource& operator=(TextSource&&) noexcept;

  /// The next window of at least one text; nothing at the end. A pipe that pauses ends a window early.
  /// \throws Error{kInvalidInput} naming the line, Error{kIo}, Error{kCancelled} on Ctrl-C
  [[nodiscard]] std::optional<TextWindow> next();

  /// Bytes of the whole input, unless it is a pipe.
  [[nodiscard]] std::optional<std::size_t> total_bytes() const;

  /// Names a text in messages: "text 3", "line 3 of 'x.txt'". `index` counts within `window`.
  [[nodiscard]] std::string name_of(const TextWindow& window, std::size_t index) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mlxe::cli
