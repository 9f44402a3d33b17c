// The table of families whose prompts or pooling stand in their model cards, and the look-up by a repository's name.
#include "hub/known_families.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace mlxe {
namespace {

constexpr std::string_view kRetrieve =
    "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: ";
constexpr std::string_view kRepresent = "Represent this sentence for searching relevant passages: ";

/// One line of the table: what a repository's name (without its owner, in lower case) begins with, and contains.
struct Row {
  std::string_view begins;
  std::string_view contains;  // "" for anything
  std::string_view name;
  std::string_view pooling;
  std::string_view query;  // prompts; what is "" in both is no prompt at all
  std::string_view document;
};

// Source: the model card of each, on the Hugging Face Hub. The first row that fits decides, so exceptions come first.
// Where a card wants "Instruct: ...\nQuery: " with a task of the user's own (Llama-Embed-Nemotron, Linq), there is no
// prompt: a sentence that was chosen here would be a guess.
constexpr auto kRows = std::to_array<Row>({
    {"multilingual-e5-large-instruct", "", "E5 instruct", "mean", kRetrieve, ""},
    {"e5-mistral", "", "E5 Mistral", "lasttoken", kRetrieve, ""},
    {"multilingual-e5-", "", "E5", "mean", "query: ", "passage: "},
    {"e5-", "", "E5", "mean", "query: ", "passage: "},
    {"bge-m3", "", "BGE-M3", "cls", "", ""},
    {"bge-en-icl", "", "BGE ICL", "lasttoken",
     "<instruct>Given a web search query, retrieve relevant passages that answer the query.\n<query>", ""},
    {"bge-reranker", "", "BGE reranker", "", "", ""},
    {"bge-", "-en", "BGE English", "cls", kRepresent, ""},
    {"bge-", "-zh", "BGE Chinese", "cls", "为这个句子生成表示以用于检索相关文章：", ""},
    {"gte-qwen", "", "GTE Qwen", "lasttoken", kRetrieve, ""},
    {"gte-modernbert", "", "GTE ModernBERT", "cls", "", ""},
    {"gte-multilingual-base", "", "GTE multilingual", "cls", "", ""},
    {"gte-", "-v1.5", "GTE v1.5", "cls", "", ""},
    {"gte-", "-zh", "GTE Chinese", "cls", "", ""},
    {"gte-small", "", "GTE", "mean", "", ""},
    {"gte-base", "", "GTE", "mean", "", ""},
    {"gte-large", "", "GTE", "mean", "", ""},
    {"nomic-embed-text", "", "Nomic Embed", "mean", "search_query: ", "search_document: "},
    {"modernbert-embed", "", "ModernBERT Embed", "mean", "search_query: ", "search_document: "},
    {"mxbai-embed-large", "", "Mixedbread Embed", "cls", kRepresent, ""},
    {"mxbai-embed-2d-large", "", "Mixedbread Embed", "cls", kRepresent, ""},
    {"uae-large", "", "UAE", "cls", kRepresent, ""},
    {"snowflake-arctic-embed", "-v2", "Snowflake Arctic Embed 2", "cls", "query: ", ""},
    {"snowflake-arctic-embed", "", "Snowflake Arctic Embed", "cls", kRepresent, ""},
    {"jina-embeddings-v2", "", "Jina Embeddings 2", "mean", "", ""},
    {"qwen3-embedding", "", "Qwen3-Embedding", "lasttoken",
     "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:", ""},
    {"embeddinggemma", "", "EmbeddingGemma", "mean", "task: search result | query: ", "title: none | text: "},
    {"llama-embed-nemotron", "", "Llama-Embed-Nemotron", "mean", "", ""},
    {"llama-nemotron-embed", "", "Llama Nemotron Embed", "mean", "query: ", "passage: "},
    {"llama-3.2-nv-embedqa", "", "Llama Nemotron Embed", "mean", "query: ", "passage: "},
    {"sfr-embedding", "mistral", "SFR Mistral", "lasttoken", kRetrieve, ""},
    {"linq-embed-mistral", "", "Linq Mistral", "lasttoken", "", ""},
    {"granite-embedding", "", "Granite Embedding", "cls", "", ""},
    {"all-minilm", "", "all-*", "mean", "", ""},
    {"all-mpnet", "", "all-*", "mean", "", ""},
    {"all-distilroberta", "", "all-*", "mean", "", ""},
    {"paraphrase-", "", "paraphrase-*", "mean", "", ""},
    {"multi-qa-", "-cos", "multi-qa-*-cos", "mean", "", ""},
    {"multi-qa-", "-dot", "multi-qa-*-dot", "cls", "", ""},
});

// ASCII only: every name of the table is ASCII.
std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

// "models--intfloat--e5-base" (a folder of the cache), "intfloat/e5-base" and "e5-base" -> "e5-base".
std::string own_name(std::string_view name) {
  constexpr std::string_view kCache = "models--";
  if (name.starts_with(kCache)) {
    const std::size_t owner = name.find("--", kCache.size());
    name = name.substr(owner == std::string_view::npos ? kCache.size() : owner + 2);
  }
  return lower(name.substr(name.rfind('/') + 1));
}

const Row* find_row(std::string_view name) {
  const auto* row = std::ranges::find_if(kRows, [&](const Row& candidate) {
    return name.starts_with(candidate.begins) && name.find(candidate.contains) != std::string_view::npos;
  });
  return row == kRows.end() ? nullptr : row;
}

KnownFamily family_of(const Row& row) {
  KnownFamily family = {.name = std::string(row.name), .pooling = std::string(row.pooling)};
  if (!row.query.empty() || !row.document.empty()) {
    family.prompts = {{"query", std::string(row.query)}, {"document", std::string(row.document)}};
  }
  if (row.name == "Nomic Embed") {
    family.prompts["clustering"] = "clustering: ";
    family.prompts["classification"] = "classification: ";
  }
  return family;
}

}  // namespace

std::optional<KnownFamily> find_known_family(const std::filesystem::path& path, std::string_view base_name) {
  std::vector<std::string> names;
  // The folder or file itself, and the repository's above snapshots/<commit>; what lies higher is the user's own.
  std::filesystem::path folder = path.has_filename() ? path : path.parent_path();
  const int levels = folder.extension() == ".gguf" ? 4 : 3;
  for (int level = 0; level < levels && folder.has_filename(); ++level, folder = folder.parent_path()) {
    const std::string name = folder.filename().string();
    if (level == 0 || name.starts_with("models--")) {
      names.push_back(own_name(name));
    }
  }
  names.push_back(own_name(base_name));
  for (const std::string& name : names) {
    if (const Row* row = find_row(name)) {
      return family_of(*row);
    }
  }
  return std::nullopt;
}

std::string_view pooling_of_architecture(std::string_view model_type) {
  constexpr auto kPoolings = std::to_array<std::pair<std::string_view, std::string_view>>({
      {"gemma3_text", "mean"},    // EmbeddingGemma
      {"llama_bidirec", "mean"},  // Nemotron
      {"mistral", "lasttoken"},   // a causal decoder's last token alone has seen the whole text
      {"new", "cls"},             // GTE
      {"nomic_bert", "mean"},
      {"qwen2", "lasttoken"},
      {"qwen3", "lasttoken"},
  });
  const auto* found = std::ranges::find(kPoolings, model_type, &std::pair<std::string_view, std::string_view>::first);
  return found == kPoolings.end() ? std::string_view() : found->second;
}

}  // namespace mlxe
