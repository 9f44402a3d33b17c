// TinyModels with heads: a sequence classifier, a token classifier, a masked language model.
#pragma once

#include <string>

#include "support/tiny_model.h"

namespace mlxe::testing {

inline void add_labels(TinyModel& tiny, const std::vector<std::string>& labels) {
  tiny.config["id2label"] = nlohmann::json::object();
  for (std::size_t index = 0; index < labels.size(); ++index) {
    tiny.config["id2label"][std::to_string(index)] = labels[index];
  }
}

inline void add_classifier(TinyModel& tiny, int num_labels) {
  tiny.tensors["classifier.weight"] = random_tensor({num_labels, 8}, 301);
  tiny.tensors["classifier.bias"] = random_tensor({num_labels}, 302);
}

/// \param labels  written as id2label; none if empty
inline TinyModel tiny_classifier(const std::vector<std::string>& labels, int num_labels) {
  TinyModel tiny;
  tiny.config["architectures"] = {"BertForSequenceClassification"};
  if (!labels.empty()) {
    add_labels(tiny, labels);
  }
  tiny.tensors["pooler.dense.weight"] = random_tensor({8, 8}, 303);
  tiny.tensors["pooler.dense.bias"] = random_tensor({8}, 304);
  add_classifier(tiny, num_labels);
  return tiny;
}

inline TinyModel tiny_token_classifier(const std::vector<std::string>& labels) {
  TinyModel tiny;
  tiny.config["architectures"] = {"BertForTokenClassification"};
  add_labels(tiny, labels);
  add_classifier(tiny, static_cast<int>(labels.size()));
  return tiny;
}

/// The table of words is tied; the vocabulary gains the mask token "[MASK]", id 23.
inline TinyModel tiny_masked_lm() {
  TinyModel tiny;
  tiny.config["architectures"] = {"BertForMaskedLM"};
  tiny.tensors["cls.predictions.transform.dense.weight"] = random_tensor({8, 8}, 305);
  tiny.tensors["cls.predictions.transform.dense.bias"] = random_tensor({8}, 306);
  tiny.tensors["cls.predictions.transform.LayerNorm.weight"] = random_tensor({8}, 307);
  tiny.tensors["cls.predictions.transform.LayerNorm.bias"] = random_tensor({8}, 308);
  tiny.tensors["cls.predictions.bias"] = random_tensor({24}, 309);
  tiny.tokenizer["added_tokens"].push_back({{"id", 23},
                                            {"content", "[MASK]"},
                                            {"single_word", false},
                                            {"lstrip", false},
                                            {"rstrip", false},
                                            {"normalized", false},
                                            {"special", true}});
  return tiny;
}

}  // namespace mlxe::testing
