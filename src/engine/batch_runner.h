// Running the inputs of one call: windows of them are tokenised, packed into micro-batches and handed to the caller.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/loader.h"
#include "mlxe/options.h"
#include "mlxe/output.h"
#include "tokenizer/tokenizer.h"

namespace mlxe {

/// One call's settings, checked and settled before any work.
struct RunPlan {
  int max_length = 0;
  std::string max_length_source;
  std::size_t batch_tokens = 0;
  Overflow on_overflow = Overflow::kTruncate;
  std::function<bool(const Progress&)> on_progress;
};

/// \param fixed_tokens  tokens around every input that are never cut: special ones, a prompt's ends
/// \throws Error{kInvalidInput} for a limit that leaves no room for a text or exceeds the model's positions
[[nodiscard]] RunPlan make_plan(const LoadedModel& loaded, const RunOptions& options, int fixed_tokens);

/// What of a call's options is about going through the model.
[[nodiscard]] RunOptions run_options(const EmbedOptions& options);

[[nodiscard]] EncodeOptions encode_options(const LoadedModel& loaded, const RunPlan& plan);

/// The inputs of one call. The functions are called from the caller's thread.
struct InputSource {
  std::string_view noun = "text";  ///< in messages
  std::size_t count = 0;
  std::function<std::size_t(std::size_t index)> size_bytes;  ///< of all that is tokenised
  std::function<std::vector<Encoding>(std::size_t first, std::size_t count)> encode;
  bool has_own_types = false;  ///< token types are the caller's, and not what a tokenizer says
};

/// The inputs of one window after tokenisation; `first` is the index of the first one in the call.
struct Window {
  std::size_t first = 0;
  std::vector<Encoding> encodings;
};

/// Some rows of a window, packed for the model; row r of the batch is input window.first + indices[r] of the call.
struct MicroBatch {
  PackedBatch packed;
  const Window* window = nullptr;
  std::span<const std::size_t> indices;

  [[nodiscard]] std::size_t num_rows() const { return indices.size(); }
  [[nodiscard]] std::size_t input_index(std::size_t row) const { return window->first + indices[row]; }
  [[nodiscard]] const Encoding& encoding(std::size_t row) const { return window->encodings[indices[row]]; }
  [[nodiscard]] ItemReport report(std::size_t row) const;
};

/// Calls consume(window) for one window after the other, from the caller's thread; nothing is computed. Reports
/// progress, and cancels with Error{kCancelled} when asked to.
/// \throws Error{kTooLong, kCorruptModel} and whatever consume throws
void run_windows(const LoadedModel& loaded, const InputSource& inputs, const RunPlan& plan,
                 const std::function<void(const Window&)>& consume);

/// Calls consume(ops, batch) for every micro-batch of every window, several at once on different workers. Inputs
/// without tokens are in none. Reports progress, and cancels with Error{kCancelled} when asked to.
/// \throws Error{kTooLong, kCorruptModel} and whatever consume throws
void run_batches(const LoadedModel& loaded, const InputSource& inputs, const RunPlan& plan,
                 const std::function<void(Ops&, MicroBatch&)>& consume);

/// Texts, with a prompt before each.
/// \param prompts  none, one for all texts, or one for each; they and the texts outlive the source
/// \throws Error{kInvalidInput} naming the text that is no UTF-8
[[nodiscard]] InputSource text_inputs(const LoadedModel& loaded, std::span<const std::string_view> texts,
                                      std::span<const std::string> prompts, const EncodeOptions& options);
/// Pairs, each one sequence, cut as sentence-transformers cuts them: the longer text first.
[[nodiscard]] InputSource pair_inputs(const LoadedModel& loaded, std::span<const TextPair> pairs,
                                      const EncodeOptions& options);

}  // namespace mlxe
