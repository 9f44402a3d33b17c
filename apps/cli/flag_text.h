// Options whose value is a text of the user's: taken as it is, where CLI11 would read "", "{}" and "[a,b]" as lists.
#pragma once

#include <climits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/App.hpp>

namespace mlxe::cli {

/// --flag TEXT; the last one given counts. Target is a std::string or an optional one.
template <typename Target>
CLI::Option* add_text_option(CLI::App& app, const std::string& flag, Target& target, const std::string& help) {
  return app
      .add_option(
          flag,
          [&target](const CLI::results_t& values) {
            target = values.back();
            return true;
          },
          help)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)
      ->type_name("TEXT");
}

/// --flag TEXT as often as wanted.
inline CLI::Option* add_texts_option(CLI::App& app, const std::string& flag, std::vector<std::string>& target,
                                     const std::string& help) {
  return app
      .add_option(
          flag,
          [&target](const CLI::results_t& values) {
            target = values;
            return true;
          },
          help)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("TEXT");
}

/// Any number of positional texts.
inline CLI::Option* add_texts_argument(CLI::App& app, std::vector<std::string>& target, const std::string& help) {
  // A huge minimum instead of an open end: "any number" would switch on CLI11's splitting of "[a,b]".
  constexpr int kAnyNumber = 1 << 28;
  return app
      .add_option(
          "texts",
          [&target](const CLI::results_t& values) {
            target = values;
            return true;
          },
          help)
      ->expected(kAnyNumber, kAnyNumber)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("TEXT");
}

}  // namespace mlxe::cli
