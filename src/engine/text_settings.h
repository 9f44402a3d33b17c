// TextSettings: limits, casing and prompts, from the JSON files beside a checkpoint.
#pragma once

#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mlxe/options.h"

namespace mlxe {

struct TextSettings {
  int max_length = std::numeric_limits<int>::max();  ///< tokens, special ones included, that a text is cut to
  std::string max_length_source;
  bool token_types = true;  ///< false: the model is given token types of 0, whatever tokenizer.json says
  bool lower_case = false;  ///< texts are lower-cased before they are tokenised
  std::optional<std::string> transformer_task;  ///< of the Transformer module, if the folder says it
  std::optional<std::string> activation_fn;     ///< of a CrossEncoder's scores: a class of torch, if the folder says it
  std::string mask_token;                       ///< empty if the folder names none
  std::string eos_token;                        ///< likewise; what ends a text
  std::vector<std::string> weightless_tokens;   ///< that begin, end, fill up or stand for the unknown
  std::optional<std::string> chat_template;     ///< as Jinja's language, if the folder has one
  std::optional<int> truncate_dim;  ///< the checkpoint's own number of dimensions, if it keeps only the first ones
  std::map<std::string, std::string> prompts;  ///< by name; put before the text as they are
  std::optional<std::string> default_prompt_name;
  std::string prompt_source;  ///< where the prompts are from; empty if there are none
};

/// Reads sentence_bert_config.json (or its older names) and tokenizer_config.json of `transformer_folder`, and
/// config_sentence_transformers.json of `folder`; each may be absent.
/// The maximum length is the smaller one of max_seq_length and model_max_length.
/// \param base  where those of the transformer's files are that its own folder lacks: an adapter's often has a
/// tokenizer
///              and nothing else of them
/// \throws Error{kCorruptModel, kUnsupported}
[[nodiscard]] TextSettings read_text_settings(const std::filesystem::path& folder,
                                              const std::filesystem::path& transformer_folder,
                                              const std::optional<std::filesystem::path>& base = {});

/// The prompt to put before every text; empty for none.
/// \throws Error{kInvalidInput} for an unknown name, listing the known ones
[[nodiscard]] std::string choose_prompt(const TextSettings& settings, const EmbedOptions& options);

}  // namespace mlxe
