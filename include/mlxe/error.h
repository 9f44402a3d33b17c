// The one exception type of the library, and the codes that say what a caller can do about it.
#pragma once

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>

namespace mlxe {

enum class ErrorCode {
  kInvalidInput,   ///< an argument or an input text is not acceptable; the message names it
  kTooLong,        ///< an input has more tokens than allowed and the caller asked for an error
  kModelNotFound,  ///< no folder, cache entry or alias of that name
  kCorruptModel,   ///< a file of the model is missing, damaged or contradicts another
  kUnsupported,    ///< a valid request or model that this build cannot serve
  kIo,             ///< reading or writing a file failed
  kOutOfMemory,    ///< an allocation failed; nothing was half-done
  kNonFinite,      ///< a result held NaN or infinity and was withheld
  kCancelled,      ///< the caller's progress callback asked to stop
  kInternal,       ///< a bug of ours
};

/// Thrown by every public function. Messages start lowercase, carry no final period and name the thing,
/// what was found and what was wanted.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  /// What is wrong with one of several inputs; the message is "NOUN INDEX PROBLEM", "text 3 has no tokens".
  Error(ErrorCode code, const std::string& noun, std::size_t index, const std::string& problem)
      : std::runtime_error(noun + " " + std::to_string(index) + " " + problem),
        code_(code),
        item_(index),
        problem_(problem) {}
  [[nodiscard]] ErrorCode code() const noexcept { return code_; }
  /// The input that it is about, counted from 0 in the call's own order.
  [[nodiscard]] std::optional<std::size_t> item() const noexcept { return item_; }
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }  ///< empty without an item()

 private:
  ErrorCode code_;
  std::optional<std::size_t> item_;
  std::string problem_;
};

}  // namespace mlxe
