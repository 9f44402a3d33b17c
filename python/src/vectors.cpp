// Engine's vectors: of texts, of their tokens, sparse ones, all at once.
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "bindings.h"
#include "call.h"
#include "choices.h"
#include "texts.h"
#include "token_rows.h"

namespace mlxe::python {
namespace {

using nb::literals::operator""_a;

using Text = std::string;
using Maybe = std::optional<std::string>;
using Reports = Matrix<std::int32_t>;
using Rows = std::tuple<Matrix<float>, Reports>;
using PerToken = std::tuple<Vector<std::int32_t>, Matrix<float>, Reports>;  // ids, vectors, the one report
using Sparse = std::tuple<Vector<std::int32_t>, Vector<float>, Reports>;    // ids, weights, the one report

Rows to_python(Embeddings found) {
  const auto width = static_cast<std::size_t>(found.dim);
  return {to_matrix(std::move(found.values), width), to_matrix(std::move(found.items))};
}

template <class Item>  // TokenEmbeddings, MultiVector
std::vector<PerToken> to_python(std::vector<Item> found) {
  std::vector<PerToken> out;
  out.reserve(found.size());
  for (Item& item : found) {
    out.emplace_back(to_vector(std::move(item.ids)),
                     to_matrix(std::move(item.values), static_cast<std::size_t>(item.dim)),
                     to_matrix(std::vector{item.report}));
  }
  return out;
}

std::vector<Sparse> to_python(std::vector<SparseVector> found) {
  std::vector<Sparse> out;
  out.reserve(found.size());
  for (SparseVector& item : found) {
    out.emplace_back(to_vector(std::move(item.ids)), to_vector(std::move(item.weights)),
                     to_matrix(std::vector{item.report}));
  }
  return out;
}

using Combined = std::tuple<Rows, std::vector<Sparse>, std::vector<PerToken>>;

Combined to_python(CombinedEmbeddings found) {
  return {to_python(std::move(found.dense)), to_python(std::move(found.lexical)), to_python(std::move(found.multi))};
}

EmbedOptions embed_options(Call& call, const Text& role, Maybe prompt_name, Maybe prompt,
                           std::vector<std::string> prompts, std::optional<int> dimensions,
                           std::optional<int> max_length, const Text& normalize, const Text& on_overflow,
                           std::size_t batch_tokens) {
  EmbedOptions options;
  options.role = to_role(role);
  options.prompt_name = std::move(prompt_name);
  options.prompt = std::move(prompt);
  options.prompts = std::move(prompts);
  options.dimensions = dimensions;
  options.max_length = max_length;
  options.normalize = to_normalize(normalize);
  options.on_overflow = to_overflow(on_overflow);
  options.batch_tokens = batch_tokens;
  options.on_progress = call.progress();
  return options;
}

// embed() and its like take the same arguments; `work` is what they do with them.
template <class Result, class Method>
auto texts_call(Method method) {
  return [method](const LoadedEngine& self, const TextSequence& given, const Text& role, Maybe prompt_name,
                  Maybe prompt, std::vector<std::string> prompts, std::optional<int> dimensions,
                  std::optional<int> max_length, const Text& normalize, const Text& on_overflow,
                  std::size_t batch_tokens, nb::object on_progress) -> Result {
    const Engine& engine = self.get();
    const Texts texts(given);
    Call call(std::move(on_progress));
    const EmbedOptions options =
        embed_options(call, role, std::move(prompt_name), std::move(prompt), std::move(prompts), dimensions, max_length,
                      normalize, on_overflow, batch_tokens);
    return to_python(call.run([&] { return (engine.*method)(texts.views(), options); }));
  };
}

template <class Result, class Method>
void def_texts(EngineClass& engine, const char* name, Method method, const char* help) {
  engine.def(name, texts_call<Result>(method), "texts"_a, nb::kw_only(), "role"_a = "none",
             "prompt_name"_a = nb::none(), "prompt"_a = nb::none(), "prompts"_a = std::vector<std::string>(),
             "dimensions"_a = nb::none(), "max_length"_a = nb::none(), "normalize"_a = "always",
             "on_overflow"_a = "truncate", "batch_tokens"_a = 0, "on_progress"_a = nb::none(), help);
}

EmbedOptions id_options(Call& call, std::optional<int> dimensions, const Text& normalize, std::size_t batch_tokens) {
  EmbedOptions options;
  options.dimensions = dimensions;
  options.normalize = to_normalize(normalize);
  options.batch_tokens = batch_tokens;
  options.on_progress = call.progress();
  return options;
}

Rows embed_ids(const LoadedEngine& self, IdMatrix ids, std::optional<IdMatrix> mask, std::optional<IdMatrix> types,
               std::optional<int> dimensions, const Text& normalize, std::size_t batch_tokens, nb::object on_progress) {
  const Engine& engine = self.get();
  const TokenRows rows(std::move(ids), std::move(mask), std::move(types));
  Call call(std::move(on_progress));
  const EmbedOptions options = id_options(call, dimensions, normalize, batch_tokens);
  return to_python(call.run([&] { return engine.embed_ids(rows.views(), options); }));
}

std::vector<PerToken> multi_vector_ids(const LoadedEngine& self, IdMatrix ids, std::optional<IdMatrix> mask,
                                       std::optional<IdMatrix> types, std::optional<int> dimensions,
                                       const Text& normalize, std::size_t batch_tokens, nb::object on_progress) {
  const Engine& engine = self.get();
  const TokenRows rows(std::move(ids), std::move(mask), std::move(types));
  Call call(std::move(on_progress));
  const EmbedOptions options = id_options(call, dimensions, normalize, batch_tokens);
  return to_python(call.run([&] { return engine.multi_vector_ids(rows.views(), options); }));
}

std::vector<PerToken> token_embeddings_ids(const LoadedEngine& self, IdMatrix ids, std::optional<IdMatrix> mask,
                                           std::optional<IdMatrix> types, nb::object on_progress) {
  const Engine& engine = self.get();
  const TokenRows rows(std::move(ids), std::move(mask), std::move(types));
  Call call(std::move(on_progress));
  EmbedOptions options;
  options.on_progress = call.progress();
  return to_python(call.run([&] { return engine.token_embeddings_ids(rows.views(), options); }));
}

std::vector<Sparse> sparse(const LoadedEngine& self, const TextSequence& given, const Text& role, Maybe prompt_name,
                           Maybe prompt, std::optional<std::size_t> max_active, std::optional<int> max_length,
                           const Text& on_overflow, std::size_t batch_tokens, nb::object on_progress) {
  const Engine& engine = self.get();
  const Texts texts(given);
  Call call(std::move(on_progress));
  SparseOptions options;
  options.role = to_role(role);
  options.prompt_name = std::move(prompt_name);
  options.prompt = std::move(prompt);
  options.max_active = max_active;
  options.max_length = max_length;
  options.on_overflow = to_overflow(on_overflow);
  options.batch_tokens = batch_tokens;
  options.on_progress = call.progress();
  return to_python(call.run([&] { return engine.sparse(texts.views(), options); }));
}

}  // namespace

void bind_vectors(EngineClass& engine) {
  def_texts<Rows>(engine, "embed", &Engine::embed,
                  "One vector for each text, and for each (tokens that were read, tokens in the text).");
  def_texts<std::vector<PerToken>>(engine, "token_embeddings", &Engine::token_embeddings,
                                   "For each text the ids of its tokens, their last hidden states, and a report.");
  def_texts<std::vector<PerToken>>(engine, "multi_vector", &Engine::multi_vector,
                                   "For each text a vector for each token that counts (late interaction).");
  def_texts<Combined>(engine, "embed_all", &Engine::embed_all,
                      "Dense, lexical and multi-vector embeddings of one forward (BGE-M3).");
  engine.def("embed_ids", &embed_ids, "input_ids"_a.noconvert(), "attention_mask"_a.noconvert() = nb::none(),
             "token_type_ids"_a.noconvert() = nb::none(), nb::kw_only(), "dimensions"_a = nb::none(),
             "normalize"_a = "always", "batch_tokens"_a = 0, "on_progress"_a = nb::none(),
             "embed() of rows of token ids, padded on one side or both.");
  engine.def("multi_vector_ids", &multi_vector_ids, "input_ids"_a.noconvert(),
             "attention_mask"_a.noconvert() = nb::none(), "token_type_ids"_a.noconvert() = nb::none(), nb::kw_only(),
             "dimensions"_a = nb::none(), "normalize"_a = "always", "batch_tokens"_a = 0, "on_progress"_a = nb::none(),
             "multi_vector() of rows of token ids, a vector for each: none is put before them, added or left out.");
  engine.def("token_embeddings_ids", &token_embeddings_ids, "input_ids"_a.noconvert(),
             "attention_mask"_a.noconvert() = nb::none(), "token_type_ids"_a.noconvert() = nb::none(), nb::kw_only(),
             "on_progress"_a = nb::none(), "token_embeddings() of rows of token ids.");
  engine.def("sparse", &sparse, "texts"_a, nb::kw_only(), "role"_a = "none", "prompt_name"_a = nb::none(),
             "prompt"_a = nb::none(), "max_active"_a = nb::none(), "max_length"_a = nb::none(),
             "on_overflow"_a = "truncate", "batch_tokens"_a = 0, "on_progress"_a = nb::none(),
             "For each text ids of words, their weights, and a report (SPLADE).");
}

}  // namespace mlxe::python
