// Engine's tokens, and MaxSim.
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "bindings.h"
#include "call.h"
#include "choices.h"
#include "mlxe/similarity.h"
#include "texts.h"

namespace mlxe::python {
namespace {

using nb::literals::operator""_a;

/// ids, tokens, offsets in characters, 1 for special tokens, token types, (tokens, tokens in the text)
using Tokens = std::tuple<std::vector<std::int32_t>, std::vector<std::string>, std::vector<std::pair<int, int>>,
                          std::vector<std::int32_t>, std::vector<std::int32_t>, std::tuple<int, int>>;

std::vector<Tokens> to_python(std::vector<TokenizedText> found) {
  std::vector<Tokens> out;
  out.reserve(found.size());
  for (TokenizedText& text : found) {
    out.emplace_back(std::move(text.ids), std::move(text.tokens), std::move(text.offsets), std::move(text.special),
                     std::move(text.type_ids), std::tuple(text.report.tokens, text.report.tokens_in_text));
  }
  return out;
}

template <class Inputs, class Given, class Method>
auto tokenize_call(Method method) {
  return [method](const LoadedEngine& self, const Given& given, bool truncate, bool add_special_tokens,
                  std::optional<int> max_length, const std::string& on_overflow) {
    const Engine& engine = self.get();
    const Inputs inputs(given);
    Call call;
    TokenizeOptions options;
    options.truncate = truncate;
    options.add_special_tokens = add_special_tokens;
    options.max_length = max_length;
    options.on_overflow = to_overflow(on_overflow);
    options.on_progress = call.progress();
    return to_python(call.run([&] { return (engine.*method)(inputs.views(), options); }));
  };
}

std::string decode(const LoadedEngine& self, const std::vector<std::int32_t>& ids, bool skip_special_tokens) {
  return self.without_threads().decode(ids, skip_special_tokens);
}

using TokenVectors = Given<float, 2>;

std::vector<MultiVector> copies(const std::vector<TokenVectors>& given) {
  std::vector<MultiVector> out(given.size());
  for (std::size_t index = 0; index < given.size(); ++index) {
    const TokenVectors& vectors = given[index];
    out[index].dim = static_cast<int>(vectors.shape(1));
    out[index].ids.resize(vectors.shape(0));
    out[index].values.assign(vectors.data(), vectors.data() + vectors.size());
  }
  return out;
}

Matrix<float> maxsim_of(const std::vector<TokenVectors>& queries, const std::vector<TokenVectors>& documents) {
  const std::vector<MultiVector> left = copies(queries);
  const std::vector<MultiVector> right = copies(documents);
  Call call;
  return to_matrix(call.run([&] { return maxsim(left, right); }), right.size());
}

}  // namespace

void bind_tokens(EngineClass& engine) {
  engine.def("tokenize", tokenize_call<Texts, TextSequence>(&Engine::tokenize), "texts"_a, nb::kw_only(),
             "truncate"_a = true, "add_special_tokens"_a = true, "max_length"_a = nb::none(),
             "on_overflow"_a = "truncate",
             "(ids, tokens, places in characters, special, types, (tokens kept, tokens in the text)) of each text.");
  engine.def("tokenize_pairs", tokenize_call<Pairs, PairSequence>(&Engine::tokenize_pairs), "pairs"_a, nb::kw_only(),
             "truncate"_a = true, "add_special_tokens"_a = true, "max_length"_a = nb::none(),
             "on_overflow"_a = "truncate", "tokenize() of pairs of texts, without places.");
  engine.def(
      "token", [](const LoadedEngine& self, std::int32_t id) { return self.without_threads().token(id); }, "id"_a,
      "A token as the vocabulary spells it; empty for an id that it does not have.");
  engine.def(
      "token_id",
      [](const LoadedEngine& self, const std::string& token) { return self.without_threads().token_id(token); },
      "token"_a, "The id of a token, or None.");
  engine.def("decode", &decode, "ids"_a, "skip_special_tokens"_a = false, "The text that token ids stand for.");
}

void bind_similarity(nb::module_& module) {
  module.def("maxsim", &maxsim_of, "queries"_a, "documents"_a,
             "Late interaction's score of every query with every document, each given as [tokens, dimensions].");
}

}  // namespace mlxe::python
