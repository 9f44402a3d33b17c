// tokenizer.json out of the vocabulary of a GGUF file.
#pragma once

#include <optional>
#include <string>

#include "weights/gguf_file.h"

namespace mlxe {

struct GgufTokenizer {
  std::optional<std::string> json;  ///< what tokenizer.json would hold
  std::string gap;                  ///< why there is none
  std::optional<std::string> mask_token;
  std::optional<std::string> eos_token;
};

/// The vocabulary of WordPiece ("bert"), byte-level BPE ("gpt2" whose `pre` is known), Unigram ("t5") or
/// SentencePiece's BPE ("llama"). What a file does not say is as in the models that llama.cpp converts: BERT's
/// lower-casing is told by whether any word of the vocabulary has a capital letter.
/// \param family  as gguf_family() gives it
/// \throws Error{kCorruptModel} for a vocabulary that contradicts itself
[[nodiscard]] GgufTokenizer gguf_tokenizer(const GgufFile& file, const std::string& family);

}  // namespace mlxe
