// Masks are checked and taken off.
#include "engine/id_inputs.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "mlxe/error.h"

namespace mlxe {
namespace {

/// The tokens [begin, end) of a row are those that count.
struct Stretch {
  std::size_t begin = 0;
  std::size_t end = 0;
};

[[noreturn]] void refuse(std::size_t row, const std::string& problem) {
  throw Error(ErrorCode::kInvalidInput, "row", row, problem);
}

Stretch attended(const TokenRow& row, std::size_t index) {
  if (row.mask.empty()) {
    return {.begin = 0, .end = row.ids.size()};
  }
  if (row.mask.size() != row.ids.size()) {
    refuse(index, fmt::format("has a mask of {} for {} token ids", row.mask.size(), row.ids.size()));
  }
  for (std::size_t i = 0; i < row.mask.size(); ++i) {
    if (row.mask[i] != 0 && row.mask[i] != 1) {
      refuse(index, fmt::format("has {} in its mask at {}, wanted 0 or 1", row.mask[i], i));
    }
  }
  const auto begin = static_cast<std::size_t>(std::ranges::find(row.mask, 1) - row.mask.begin());
  const std::span<const std::int32_t> rest = row.mask.subspan(begin);
  const std::size_t end = begin + static_cast<std::size_t>(std::ranges::find(rest, 0) - rest.begin());
  const std::span<const std::int32_t> after = row.mask.subspan(end);
  if (std::ranges::find(after, 1) != after.end()) {
    refuse(index, fmt::format("has a hole in its mask at {}: what is padded stands before or behind the tokens", end));
  }
  return {.begin = begin, .end = end};
}

void check_row(const ModelTraits& traits, const TokenRow& row, const Stretch& stretch, std::size_t index) {
  if (stretch.begin == stretch.end) {
    refuse(index, row.ids.empty() ? "has no token ids, wanted one at least"
                                  : "has a mask of zeros alone, wanted one token at least");
  }
  if (!row.type_ids.empty() && row.type_ids.size() != row.ids.size()) {
    refuse(index, fmt::format("has {} token types for {} token ids", row.type_ids.size(), row.ids.size()));
  }
  for (std::size_t i = stretch.begin; i < stretch.end; ++i) {
    if (row.ids[i] < 0 || row.ids[i] >= traits.vocab_size) {
      refuse(index, fmt::format("has the token id {} at {}, wanted 0 to {}", row.ids[i], i, traits.vocab_size - 1));
    }
    const std::int32_t type = row.type_ids.empty() ? 0 : row.type_ids[i];
    if (type < 0 || type >= std::max(traits.num_token_types, 1)) {
      refuse(index, fmt::format("has the token type {} at {}, wanted 0 to {}", type, i,
                                std::max(traits.num_token_types, 1) - 1));
    }
  }
}

Encoding unpadded(const TokenRow& row, const Stretch& stretch) {
  const std::size_t count = stretch.end - stretch.begin;
  const std::span<const std::int32_t> ids = row.ids.subspan(stretch.begin, count);
  Encoding encoding;
  encoding.ids.assign(ids.begin(), ids.end());
  encoding.type_ids.resize(count);
  if (!row.type_ids.empty()) {
    std::ranges::copy(row.type_ids.subspan(stretch.begin, count), encoding.type_ids.begin());
  }
  encoding.length_in_text = static_cast<int>(count);
  return encoding;
}

}  // namespace

InputSource id_inputs(const LoadedModel& loaded, std::span<const TokenRow> rows) {
  for (std::size_t index = 0; index < rows.size(); ++index) {
    check_row(loaded.model->traits(), rows[index], attended(rows[index], index), index);
  }
  return {.noun = "row",
          .count = rows.size(),
          .size_bytes = [rows](std::size_t index) { return rows[index].ids.size_bytes(); },
          .encode =
              [rows](std::size_t first, std::size_t count) {
                std::vector<Encoding> encodings;
                encodings.reserve(count);
                for (std::size_t index = first; index < first + count; ++index) {
                  encodings.push_back(unpadded(rows[index], attended(rows[index], index)));
                }
                return encodings;
              },
          .has_own_types = true};
}

void check_no_prompt(const EmbedOptions& options) {
  if (options.prompt || options.prompt_name || !options.prompts.empty() || options.role != Role::kNone) {
    throw Error(ErrorCode::kInvalidInput, "a prompt was chosen, which is put before texts and not before token ids");
  }
}

RunPlan make_id_plan(const LoadedModel& loaded, RunOptions options) {
  const bool is_chosen = options.max_length.has_value();
  options.max_length = options.max_length.value_or(loaded.info.max_positions);
  options.on_overflow = Overflow::kError;
  RunPlan plan = make_plan(loaded, options, 0);
  plan.max_length_source = is_chosen ? plan.max_length_source : "the model's positions";
  return plan;
}

}  // namespace mlxe
