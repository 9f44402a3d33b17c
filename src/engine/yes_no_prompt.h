// The prompt with which a decoder is asked whether a document answers a query; its answer is "yes" or "no".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace mlxe {

/// What Qwen3-Reranker's model card takes if nobody says anything else.
inline constexpr std::string_view kDefaultInstruction =
    "Given a web search query, retrieve relevant passages that answer the query";

/// The tokens around the part that may be cut.
struct YesNoPrompt {
  std::vector<std::int32_t> prefix_ids;
  std::vector<std::int32_t> suffix_ids;
  std::string instruction = std::string(kDefaultInstruction);  ///< where a call gives none
  [[nodiscard]] int num_tokens() const { return static_cast<int>(prefix_ids.size() + suffix_ids.size()); }
};

/// The most tokens that Qwen3-Reranker's model card gives a prompt.
inline constexpr int kYesNoMaxLength = 8192;

/// \throws Error{kUnsupported} if the vocabulary lacks a token of the prompt: it was made for another prompt, and with
///         this one its answers would be noise
/// Source: the model card of Qwen3-Reranker
[[nodiscard]] YesNoPrompt make_yes_no_prompt(const Tokenizer& tokenizer);

/// A folder that declares a LogitScore says with its chat template how it is asked. Templates are programs that are not
/// run here: only the one is taken that comes to the prompt above.
/// \param chat_template  nothing: the folder has none
/// \throws Error{kUnsupported} for any other
void check_yes_no_template(const std::optional<std::string>& chat_template);

/// The part between prefix and suffix.
[[nodiscard]] std::string yes_no_content(std::string_view instruction, std::string_view query,
                                         std::string_view document);

}  // namespace mlxe
