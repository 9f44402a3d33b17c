// The rule of mlx-lm, by the words that decoders' layers are called.
#include "convert/recipes.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mlxe/error.h"

namespace mlxe {
namespace {

struct Recipe {
  std::string_view name;
  int low_bits;
  int high_bits;
};

constexpr std::array<Recipe, 4> kRecipes = {
    {{"mixed_2_6", 2, 6}, {"mixed_3_4", 3, 4}, {"mixed_3_6", 3, 6}, {"mixed_4_6", 4, 6}}};

std::vector<std::string_view> parts_of(std::string_view path) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    parts.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

bool is_number(std::string_view word) {
  return !word.empty() && word.size() < 9 && std::ranges::all_of(word, [](char c) { return c >= '0' && c <= '9'; });
}

bool contains(std::string_view text, std::string_view word) {
  return text.find(word) != std::string_view::npos;
}

/// Which part of a path is the block's number.
std::size_t place_of_number(std::string_view path) {
  const std::vector<std::string_view> parts = parts_of(path);
  return static_cast<std::size_t>(std::ranges::find_if(parts, is_number) - parts.begin());
}

}  // namespace

std::vector<std::string> recipe_names() {
  std::vector<std::string> names;
  for (const Recipe& recipe : kRecipes) {
    names.emplace_back(recipe.name);
  }
  return names;
}

std::function<std::optional<QuantizationFormat>(std::string_view path)> mixed_recipe(
    const std::string& name, int group_size, const std::vector<std::string>& paths, int num_blocks) {
  const auto* const recipe = std::ranges::find(kRecipes, name, &Recipe::name);
  if (recipe == kRecipes.end()) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("there is no recipe '{}', wanted one of: {}", name, fmt::join(recipe_names(), ", ")));
  }
  const auto down = std::ranges::find_if(paths, [](const std::string& path) { return contains(path, "down_proj"); });
  if (down == paths.end()) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("the recipe {} is for decoders, whose blocks have a down_proj, and this model has none; "
                            "--error-budget chooses bits for any model",
                            name));
  }
  const std::size_t place = place_of_number(*down);
  const int eighth = num_blocks / 8;
  const int last_eighth = 7 * num_blocks / 8;
  return [low = QuantizationFormat{QuantizationMode::kAffine, recipe->low_bits, group_size},
          high = QuantizationFormat{QuantizationMode::kAffine, recipe->high_bits, group_size}, place, eighth,
          last_eighth](std::string_view path) -> std::optional<QuantizationFormat> {
    const std::vector<std::string_view> parts = parts_of(path);
    const int block = place < parts.size() && is_number(parts[place]) ? std::stoi(std::string(parts[place])) : 0;
    const bool more = block < eighth || block >= last_eighth || (block - eighth) % 3 == 2;
    const bool is_sensitive = contains(path, "v_proj") || contains(path, "v_a_proj") || contains(path, "v_b_proj") ||
                              contains(path, "down_proj");
    return (is_sensitive && more) || contains(path, "lm_head") ? high : low;
  };
}

}  // namespace mlxe
