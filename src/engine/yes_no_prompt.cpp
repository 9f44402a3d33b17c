// The template of Qwen3-Reranker.
#include "engine/yes_no_prompt.h"

#include <span>

#include <fmt/format.h>

#include "mlxe/error.h"

namespace mlxe {
namespace {

constexpr std::string_view kPrefix =
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    "provided. "
    "Note that the answer can only be \"yes\" or \"no\".<|im_end|>\n<|im_start|>user\n";
constexpr std::string_view kSuffix = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n";

std::vector<std::int32_t> ids_of(const Tokenizer& tokenizer, std::string_view text) {
  EncodeOptions options;
  options.add_special_tokens = false;
  return tokenizer.encode(std::span(&text, 1), options).front().ids;
}

}  // namespace

YesNoPrompt make_yes_no_prompt(const Tokenizer& tokenizer) {
  for (const char* token : {"<|im_start|>", "<|im_end|>", "<think>", "</think>"}) {
    if (!tokenizer.token_to_id(token)) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("the vocabulary has no token '{}', reranking with a decoder wants the prompt of "
                              "Qwen3-Reranker",
                              token));
    }
  }
  return {.prefix_ids = ids_of(tokenizer, kPrefix), .suffix_ids = ids_of(tokenizer, kSuffix)};
}

std::string yes_no_content(std::string_view instruction, std::string_view query, std::string_view document) {
  return fmt::format("<Instruct>: {}\n<Query>: {}\n<Document>: {}", instruction, query, document);
}

}  // namespace mlxe
