// `mlx_embeddings similarity`: the cosine of every pair of texts, as a table, JSON or a heat map.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "base/files.h"
#include "commands.h"
#include "embed_run.h"
#include "exit_code.h"
#include "fingerprint.h"
#include "flag_text.h"
#include "heatmap.h"
#include "json_text.h"
#include "labels.h"
#include "mlxe/families.h"
#include "mlxe/similarity.h"
#include "standard_output.h"

namespace mlxe::cli {
namespace {

constexpr std::size_t kMaxTexts = 4096;  // the matrix grows with the square: 64 MB here
constexpr std::size_t kLabelColumns = 32;

struct SimilarityFlags {
  TextInput input;
  std::string heatmap_file;
  std::string output = "table";
};

std::string table(const std::vector<std::string>& texts, const std::vector<float>& cosines) {
  std::vector<std::string> labels;
  std::size_t widest = 0;
  for (const std::string& text : texts) {
    labels.push_back(label(text, kLabelColumns));
    widest = std::max(widest, display_columns(labels.back()));
  }
  std::string out = fmt::format("{:{}}", "", widest + 6);
  for (std::size_t column = 0; column < texts.size(); ++column) {
    out += fmt::format(" {:>7}", column + 1);
  }
  out += '\n';
  for (std::size_t row = 0; row < texts.size(); ++row) {
    const std::string padding(widest - display_columns(labels[row]), ' ');
    out += fmt::format("{:>4}  {}{}", row + 1, labels[row], padding);
    for (std::size_t column = 0; column < texts.size(); ++column) {
      out += fmt::format(" {:>7.4f}", cosines[row * texts.size() + column]);
    }
    out += '\n';
  }
  return out;
}

std::string json(const Session& session, const Collected& all, const std::string& fingerprint,
                 const std::vector<float>& cosines) {
  std::string out = "{\n";
  out += fmt::format("  \"model\": {},\n", json_string(session.model));
  out += fmt::format("  \"resolved_model\": {},\n", json_string(canonical_model_name(session.model)));
  out += fmt::format("  \"fingerprint\": \"{}\",\n  \"texts\": [\n", fingerprint);
  for (std::size_t i = 0; i < all.texts.size(); ++i) {
    out += fmt::format("    {}{}\n", json_string(all.texts[i]), i + 1 < all.texts.size() ? "," : "");
  }
  out += "  ],\n  \"similarity\": [\n";
  for (std::size_t row = 0; row < all.texts.size(); ++row) {
    out += "    ";
    append_numbers(out, std::span(cosines).subspan(row * all.texts.size(), all.texts.size()));
    out += row + 1 < all.texts.size() ? ",\n" : "\n";
  }
  return out + "  ]\n}\n";
}

void check_count(std::size_t count) {
  if (count > kMaxTexts) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} or more texts were given, a similarity matrix takes at most {}", count, kMaxTexts));
  }
}

int run_similarity(const Session& session, const SimilarityFlags& flags) {
  require_model(session);
  TextSource source(flags.input);
  std::optional<PictureFormat> picture;
  std::unique_ptr<AtomicFile> file;
  if (!flags.heatmap_file.empty()) {
    picture = picture_format(flags.heatmap_file);
    file = std::make_unique<AtomicFile>(flags.heatmap_file);
  }
  TextWindow first = source.next().value();  // a source without any text has thrown
  check_count(first.texts.size());
  const Engine engine = load_engine(session);
  Collected all;
  embed_all(engine, session, source, std::move(first), [&](const TextWindow& window, const Embeddings& embeddings) {
    check_count(all.texts.size() + window.texts.size());
    all.texts.insert(all.texts.end(), window.texts.begin(), window.texts.end());
    append(all.embeddings, embeddings);
  });
  const std::vector<float> cosines = cosine_similarities(all.embeddings);
  Fingerprint fingerprint;
  fingerprint.add(all.embeddings.values);
  const std::string digits = fingerprint.finish();
  write_stdout(flags.output == "json" ? json(session, all, digits, cosines) : table(all.texts, cosines));
  flush_stdout();
  if (file) {
    file->write(heatmap(*picture, all.texts, cosines));
    file->commit();
    say(session, fmt::format("wrote the heat map to {}", flags.heatmap_file));
  }
  detail(session, fmt::format("fingerprint of the vectors: {}", digits));
  return kExitOk;
}

}  // namespace

void add_similarity_command(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("similarity", "print how alike texts are: the cosine of every pair");
  auto flags = std::make_shared<SimilarityFlags>();  // owned by the callbacks of this command alone
  add_texts_argument(*command, flags->input.arguments, "the texts (put -- before one that starts with a dash)");
  add_text_option(*command, "-i,--input", flags->input.file,
                  "a file of texts, one a line, or .jsonl; - is standard input")
      ->type_name("FILE");
  add_text_option(*command, "--field", flags->input.field, "the input is JSON lines with the text under NAME [text]")
      ->type_name("NAME");
  add_text_option(*command, "--heatmap", flags->heatmap_file, "draw the matrix into FILE: .svg or .png")
      ->type_name("FILE");
  limit_to_names(command->add_option("--output", flags->output, "a table for reading, or json [table]"),
                 {"table", "json"});
  add_model_flags(*command, session);
  add_task_flag(*command, session);
  add_embed_flags(*command, session);
  command->footer(
      "Example:\n"
      "  mlx_embeddings similarity -m ./all-MiniLM-L6-v2 \"a cat\" \"a kitten\" \"a car\" --heatmap map.svg");
  command->callback(
      [flags, &session] { session.action = [flags, &session] { return run_similarity(session, *flags); }; });
}

}  // namespace mlxe::cli
