// Quantisations as llama.cpp's tools write them into file names: "model-Q4_K_M.gguf", "model.Q8_0.gguf",
// "model_f16.gguf".
#include "hub/gguf_choice.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/utf8.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

constexpr std::string_view kEnding = ".gguf";

/// True if a word of the file's name is this one. A word ends at "-" and "." but not at "_", which Q4_K_M holds.
bool has_word(const std::string& name, const std::string& lower_case_word) {
  const std::string text = ascii_lower(name).substr(0, name.size() - kEnding.size());
  for (std::size_t at = text.find(lower_case_word); at != std::string::npos; at = text.find(lower_case_word, at + 1)) {
    const std::size_t end = at + lower_case_word.size();
    const bool begins = at == 0 || text[at - 1] == '-' || text[at - 1] == '.' || text[at - 1] == '_';
    if (begins && (end == text.size() || text[end] == '-' || text[end] == '.')) {
      return true;
    }
  }
  return false;
}

std::vector<std::string> with_word(const std::vector<std::string>& names, std::string_view word) {
  std::vector<std::string> found;
  std::ranges::copy_if(names, std::back_inserter(found),
                       [&](const std::string& name) { return has_word(name, ascii_lower(word)); });
  return found;
}

std::string list(const std::vector<std::string>& names) {
  std::vector<std::string> shown;
  std::ranges::transform(names, std::back_inserter(shown),
                         [](const std::string& name) { return printable(name, 100); });
  return fmt::format("{}", fmt::join(shown, ", "));
}

[[noreturn]] void throw_several(const std::vector<std::string>& names, std::string_view where, std::string_view meant) {
  throw Error(ErrorCode::kModelNotFound,
              fmt::format("{} has {} GGUF files{}: {}; name one of them behind a colon, as in NAME:{}", where,
                          names.size(), meant, list(names), printable(names.front(), 100)));
}

}  // namespace

bool is_gguf_choice(std::string_view choice) {
  constexpr std::size_t kLongest = 255;
  return !choice.empty() && choice.size() <= kLongest && choice.front() != '.' &&
         std::ranges::all_of(choice, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                  c == '.' || c == '+';
         });
}

std::optional<std::string> choose_gguf(const std::vector<std::string>& names, const std::optional<std::string>& choice,
                                       std::string_view where) {
  std::vector<std::string> files;
  std::ranges::copy_if(names, std::back_inserter(files), [](const std::string& name) {
    return name.ends_with(kEnding) && ascii_lower(name).find("mmproj") == std::string::npos;
  });
  std::ranges::sort(files);
  if (choice) {
    if (std::ranges::find(files, *choice) != files.end()) {
      return *choice;
    }
    const std::vector<std::string> found = with_word(files, *choice);
    if (found.size() > 1) {
      throw_several(found, where, fmt::format(" that '{}' may mean", printable(*choice, 100)));
    }
    if (found.empty()) {
      throw Error(ErrorCode::kModelNotFound,
                  fmt::format("{} has no GGUF file '{}'{}", where, printable(*choice, 100),
                              files.empty() ? ", nor any other" : "; it has " + list(files)));
    }
    return found.front();
  }
  if (files.size() <= 1) {
    return files.empty() ? std::nullopt : std::optional(files.front());
  }
  // Eight bits lose nothing that can be measured in a vector; then more bits before fewer.
  constexpr auto kPreferred = std::to_array<std::string_view>(
      {"q8_0", "f16", "bf16", "q6_k", "q5_k_m", "q5_k", "q4_k_m", "q4_k", "q4_0", "f32"});
  for (const std::string_view wanted : kPreferred) {
    const std::vector<std::string> found = with_word(files, wanted);
    if (found.size() == 1) {
      return found.front();
    }
    if (!found.empty()) {
      break;
    }
  }
  throw_several(files, where, "");
}

}  // namespace mlxe
