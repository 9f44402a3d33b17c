// Names of the pooling modes, and pooling as one or several calls of Ops::pool.
#include "nn/pooling.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mlxe/error.h"

namespace mlxe {
namespace {

struct ModeName {
  PoolingMode mode;
  std::string_view name;         // value of `pooling_mode`
  std::string_view legacy_name;  // what follows `pooling_mode_` in the older boolean keys
};

constexpr std::array<ModeName, 6> kModeNames = {{
    {PoolingMode::kCls, "cls", "cls_token"},
    {PoolingMode::kMax, "max", "max_tokens"},
    {PoolingMode::kMean, "mean", "mean_tokens"},
    {PoolingMode::kMeanSqrtLen, "mean_sqrt_len_tokens", "mean_sqrt_len"},
    {PoolingMode::kWeightedMean, "weightedmean", "weightedmean_tokens"},
    {PoolingMode::kLastToken, "lasttoken", "last_token"},
}};

PoolingMode parse_mode(std::string_view word) {
  for (const ModeName& entry : kModeNames) {
    if (word == entry.name || word == entry.legacy_name) {
      return entry.mode;
    }
  }
  std::vector<std::string_view> known;
  for (const ModeName& entry : kModeNames) {
    known.push_back(entry.name);
  }
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("unknown pooling mode '{}', wanted one or several (joined by '+') of: {}", word,
                          fmt::join(known, ", ")));
}

std::string_view name_of(PoolingMode mode) {
  return std::ranges::find(kModeNames, mode, &ModeName::mode)->name;
}

}  // namespace

PoolingSpec parse_pooling(std::string_view text) {
  PoolingSpec spec;
  while (true) {
    const std::size_t plus = text.find('+');
    const PoolingMode mode = parse_mode(text.substr(0, plus));
    if (std::ranges::count(spec.modes, mode) > 0) {
      throw Error(ErrorCode::kInvalidInput, fmt::format("pooling mode '{}' is given twice", name_of(mode)));
    }
    spec.modes.push_back(mode);
    if (plus == std::string_view::npos) {
      return spec;
    }
    text.remove_prefix(plus + 1);
  }
}

std::string to_string(const PoolingSpec& spec) {
  std::vector<std::string_view> names;
  for (const PoolingMode mode : spec.modes) {
    names.push_back(name_of(mode));
  }
  return fmt::format("{}", fmt::join(names, "+"));
}

TokenChoice pooled_tokens(const PackedBatch& batch, const PoolingSpec& spec) {
  const bool leaves_out_prompts = !spec.include_prompt && !batch.prompt_lengths.empty();
  if (spec.modes.size() != 1 || leaves_out_prompts) {
    return std::nullopt;
  }
  switch (spec.modes.front()) {
    case PoolingMode::kCls: return first_tokens(batch);
    case PoolingMode::kLastToken: return last_tokens(batch);
    default: return std::nullopt;
  }
}

Tensor pool(Ops& ops, const Tensor& x, const PackedBatch& batch, const PoolingSpec& spec) {
  const std::span<const std::int32_t> first_token =
      spec.include_prompt ? std::span<const std::int32_t>() : std::span<const std::int32_t>(batch.prompt_lengths);
  std::vector<Tensor> pooled;  // one [rows, dim] per mode
  for (const PoolingMode mode : spec.modes) {
    pooled.push_back(ops.pool(x, batch, mode, first_token));
  }
  return pooled.size() == 1 ? pooled.front() : ops.concat_columns(pooled);
}

}  // namespace mlxe
