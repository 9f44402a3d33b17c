// Helpers of the tokenizer tests: fixture folders, temporary files, goldens as they are compared.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "mlxe/error.h"
#include "tokenizer/tokenizer.h"

namespace mlxe::testing_tokenizer {

using Json = nlohmann::json;
using Ids = std::vector<std::int32_t>;
using Offsets = std::vector<std::pair<std::int32_t, std::int32_t>>;

inline std::filesystem::path fixture(std::string_view name) {
  return std::filesystem::path("tests/fixtures/tokenizers") / name;
}

inline std::string slurp(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

// A file of the running test, removed at the end of its life.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view content) {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    std::string name = std::string(test->test_suite_name()) + "." + test->name() + ".json";
    for (char& letter : name) {
      letter = letter == '/' ? '_' : letter;
    }
    path_ = std::filesystem::path(testing::TempDir()) / name;
    std::ofstream(path_, std::ios::binary) << content;
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string repeated(std::string_view unit, std::size_t count) {
  std::string text;
  text.reserve(unit.size() * count);
  for (std::size_t i = 0; i < count; ++i) {
    text += unit;
  }
  return text;
}

inline Encoding encode_one(const Tokenizer& tokenizer, std::string_view text, const EncodeOptions& options = {}) {
  const std::vector<std::string_view> texts = {text};
  return tokenizer.encode(texts, options).at(0);
}

inline Encoding encode_pair(const Tokenizer& tokenizer, std::string_view first, std::string_view second,
                            const EncodeOptions& options = {}) {
  const std::vector<std::pair<std::string_view, std::string_view>> pairs = {{first, second}};
  return tokenizer.encode_pairs(pairs, options).at(0);
}

// The code and message of the Error that `action` throws.
template <typename Action>
Error error_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no Error was thrown";
  return Error(ErrorCode::kInternal, "");
}

}  // namespace mlxe::testing_tokenizer
