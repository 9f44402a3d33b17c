// One key a line, one vector a line.
#include "result_json.h"

#include <fmt/format.h>

#include "json_text.h"

namespace mlxe::cli {
namespace {

std::string head_of(const ResultFacts& facts) {
  std::string out = "{\n";
  out += fmt::format("  \"model\": {},\n", json_string(facts.model));
  out += fmt::format("  \"resolved_model\": {},\n", json_string(facts.resolved_model));
  out += fmt::format("  \"shape\": [{}, {}],\n", facts.rows, facts.dim);
  out += "  \"dtype\": \"float32\",\n";
  out += fmt::format("  \"fingerprint\": \"{}\"", facts.fingerprint);
  return out;
}

}  // namespace

std::string result_json(const ResultFacts& facts, const Embeddings* embeddings) {
  std::string out = head_of(facts);
  if (embeddings != nullptr) {
    out += ",\n  \"embeddings\": [\n";
    for (std::size_t row = 0; row < embeddings->count(); ++row) {
      out += "    ";
      append_numbers(out, embeddings->row(row));
      out += row + 1 < embeddings->count() ? ",\n" : "\n";
    }
    out += "  ]";
  }
  out += "\n}\n";
  return out;
}

std::string result_json(const ResultFacts& facts, std::size_t texts, const std::vector<MultiVector>* embeddings) {
  std::string out = head_of(facts) + fmt::format(",\n  \"texts\": {}", texts);
  if (embeddings != nullptr) {
    out += ",\n  \"embeddings\": [\n";
    for (const MultiVector& item : *embeddings) {
      out += "    [";
      for (std::size_t row = 0; row < item.count(); ++row) {
        out += row > 0 ? ",\n     " : "";
        append_numbers(out, item.row(row));
      }
      out += &item == &embeddings->back() ? "]\n" : "],\n";
    }
    out += "  ]";
  }
  out += "\n}\n";
  return out;
}

}  // namespace mlxe::cli
