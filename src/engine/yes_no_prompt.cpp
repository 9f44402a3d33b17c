// The template of Qwen3-Reranker.
#include "engine/yes_no_prompt.h"

#include <span>

#include <fmt/format.h>

#include "base/utf8.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

constexpr std::string_view kJudge =
    "Judge whether the Document meets the requirements based on the Query and the Instruct provided. Note that the "
    "answer can only be \"yes\" or \"no\".";
constexpr std::string_view kThought = "<think>\n\n</think>\n\n";

std::vector<std::int32_t> ids_of(const Tokenizer& tokenizer, std::string_view text) {
  EncodeOptions options;
  options.add_special_tokens = false;
  return tokenizer.encode(std::span(&text, 1), options).front().ids;
}

// Words of a template as they come out: inside its strings line ends and quotes are escaped.
std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char next = text[i] == '\\' && i + 1 < text.size() ? text[i + 1] : '\0';
    if (next == 'n' || next == '"' || next == '\'' || next == '\\') {
      out += next == 'n' ? '\n' : next;
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

void check_yes_no_template(const std::optional<std::string>& chat_template) {
  if (!chat_template) {
    throw Error(ErrorCode::kUnsupported,
                "the folder declares a LogitScore and has no chat template (chat_template.jinja, or 'chat_template' of "
                "tokenizer_config.json), wanted that of Qwen3-Reranker");
  }
  const std::string text = unescaped(*chat_template);
  for (const std::string_view part : {kJudge, std::string_view("<Instruct>: "), std::string_view("<Query>: "),
                                      std::string_view("<Document>: "), kThought}) {
    if (text.find(part) == std::string::npos) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("the folder's chat template lacks '{}', only the prompt of Qwen3-Reranker is supported",
                              printable(part, 60)));
    }
  }
}

YesNoPrompt make_yes_no_prompt(const Tokenizer& tokenizer) {
  for (const char* token : {"<|im_start|>", "<|im_end|>", "<think>", "</think>"}) {
    if (!tokenizer.token_to_id(token)) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("the vocabulary has no token '{}', reranking with a decoder wants the prompt of "
                              "Qwen3-Reranker",
                              token));
    }
  }
  return {.prefix_ids = ids_of(tokenizer, fmt::format("<|im_start|>system\n{}<|im_end|>\n<|im_start|>user\n", kJudge)),
          .suffix_ids = ids_of(tokenizer, fmt::format("<|im_end|>\n<|im_start|>assistant\n{}", kThought))};
}

std::string yes_no_content(std::string_view instruction, std::string_view query, std::string_view document) {
  return fmt::format("<Instruct>: {}\n<Query>: {}\n<Document>: {}", instruction, query, document);
}

}  // namespace mlxe
