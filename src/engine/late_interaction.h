// LateInteractionSpec: how a folder turns queries and documents into one vector for each token (ColBERT and its like).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/pipeline.h"
#include "engine/text_settings.h"
#include "tokenizer/tokenizer.h"

namespace mlxe {

/// Texts are cut to so many tokens, because a file says so.
struct TokenLimit {
  int tokens = 0;
  std::string source;
};

/// Queries are filled up to `length` tokens, and what they are filled with counts in the scores.
struct QueryExpansion {
  int length = 32;
  bool attend = false;     ///< the other tokens see what was added; if not, only it sees them
  bool fixed = true;       ///< longer queries are cut to `length`
  std::string token = {};  ///< empty: the tokenizer's mask token, else the one that ends a text
};

struct LateInteractionSpec {
  PipelineSpec pipeline;  ///< the steps run on every token; the pooling has no meaning
  /// Words that stand at the front of a text as one token each, if the vocabulary has them: "[Q] ", "[unused0] ".
  /// By role, "query" and "document"; they are part of that role's prompt.
  std::map<std::string, std::string> prefixes = {};
  std::optional<TokenLimit> query_length = {};
  std::optional<TokenLimit> document_length = {};
  std::optional<QueryExpansion> expansion = {};
  std::vector<std::string> skiplist = {};  ///< words whose vectors take no part
  bool skip_in_queries = false;
  bool skip_in_documents = true;
  std::vector<std::int64_t> keep_only_ids = {};  ///< of a document, if there are any; as the file has them
  bool normalize = true;
  bool inline_projection = false;  ///< linear.weight lies among the transformer's weights (Stanford's layout)
  std::string source;              ///< the file that says all this
};

/// Reads the three layouts that exist: PyLate's (Dense modules without a pooling), that of sentence-transformers'
/// MultiVectorEncoder, and Stanford's (`HF_ColBERT` and artifact.metadata). Nothing: the folder is none of them.
/// Source: MultiVectorEncoder of sentence-transformers, which reads the same three
/// \throws Error{kCorruptModel, kUnsupported}
[[nodiscard]] std::optional<LateInteractionSpec> read_late_interaction(const std::filesystem::path& folder);

/// A spec settled against a tokenizer.
struct LateInteraction {
  struct Side {
    std::optional<std::int32_t> prefix_id = {};  ///< a token to put behind the tokens that open every text
    std::string prefix = {};                     ///< what of the prefix is text
    std::string whole_prefix = {};               ///< as the checkpoint writes it
    std::string prompt = {};                     ///< put between the prefix and the text
    TokenLimit limit = {};                       ///< tokens, all of them
    std::vector<std::int32_t> skipped_ids = {};  ///< sorted
    /// Some files have the prefix in their prompts as well; it is put once.
    [[nodiscard]] std::string without_prefix(const std::string& text) const {
      return text.substr(text.starts_with(whole_prefix) ? whole_prefix.size() : 0);
    }
  };
  Side query = {};
  Side document = {};
  std::optional<QueryExpansion> expansion = {};
  std::int32_t expansion_id = 0;
  std::vector<std::int32_t> keep_only_ids = {};  ///< sorted
  int opening_tokens = 0;                        ///< that the tokenizer puts before every text
  bool normalize = true;
};

/// \param settings       the folder's prompts (a prefix is put before its role's one), the limit of a text where the
/// spec
///                       says nothing, the words that queries may be filled up with
/// \param max_positions  the model's
/// \throws Error{kCorruptModel} for a length or a token id that the model or its tokenizer cannot have
[[nodiscard]] LateInteraction settle(const LateInteractionSpec& spec, const TextSettings& settings, int max_positions,
                                     const Tokenizer& tokenizer);

}  // namespace mlxe
