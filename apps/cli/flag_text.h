// Kinds of options: texts taken as they are (CLI11 would read "", "{}" and "[a,b]" as lists), names, numbers.
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
  constexpr int kAnyNumber = CLI::detail::expected_max_vector_size;
  return app
      .add_option(
          "texts",
          [&target](const CLI::results_t& values) {
            target = values;
            return true;
          },
          help)
      ->expected(kAnyNumber, kAnyNumber)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("TEXT");
}

/// --flag with one of `names`: the help shows them, any other is refused with the list of them.
inline CLI::Option* limit_to_names(CLI::Option* option, const std::vector<std::string>& names) {
  // An empty description, as CLI11 would print the list a second time.
  return option->check(CLI::IsMember(names).description(""))->type_name(CLI::detail::join(names, "|"));
}

/// --flag N with least <= N <= most.
inline CLI::Option* limit_to_range(CLI::Option* option, int least, int most = INT_MAX) {
  return option->check(CLI::Range(least, most).description(""))->type_name("N");
}

}  // namespace mlxe::cli
