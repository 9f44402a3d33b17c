// `mlx_embeddings embed`: texts to vectors, into a file or onto standard output.
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "commands.h"
#include "embed_run.h"
#include "exit_code.h"
#include "fingerprint.h"
#include "flag_text.h"
#include "mlxe/families.h"
#include "result_json.h"
#include "standard_output.h"
#include "vector_file.h"

namespace mlxe::cli {
namespace {

struct EmbedFlags {
  TextInput input;
  std::string output_file;
  std::optional<std::string> format;
  std::string output = "summary";
};

/// Where the vectors of one run go, and what the summary needs of them.
struct Destination {
  std::unique_ptr<VectorFile> file;
  bool lines_on_stdout = false;
  bool keep = false;  // --output json prints everything at the end
  Fingerprint fingerprint;
  Embeddings kept;
  std::size_t rows = 0;
  int dim = 0;

  void take(const Embeddings& embeddings) {
    fingerprint.add(embeddings.values);
    if (file) {
      file->append(embeddings);
    }
    if (lines_on_stdout) {
      std::string line;
      for (std::size_t row = 0; row < embeddings.count(); ++row) {
        line.clear();
        append_json_line(line, embeddings, row, rows + row);
        write_stdout(line);
      }
      flush_stdout();  // a reader that follows us sees every window at once
    }
    if (keep) {
      append(kept, embeddings);
    }
    rows += embeddings.count();
    dim = embeddings.dim;
  }
};

/// Texts with one vector for each token: the same destinations, only that a text has several rows.
struct TokenDestination {
  Destination& destination;
  std::vector<MultiVector> kept = {};
  std::size_t texts = 0;

  void take(std::span<const MultiVector> items) {
    for (const MultiVector& item : items) {
      destination.fingerprint.add(item.values);
      destination.rows += item.count();
      destination.dim = item.dim;
      if (destination.lines_on_stdout) {
        std::string line;
        append_json_line(line, item, texts);
        write_stdout(line);
      }
      ++texts;
    }
    if (destination.file) {
      destination.file->append(items);
    }
    if (destination.lines_on_stdout) {
      flush_stdout();
    }
    if (destination.keep) {
      kept.insert(kept.end(), items.begin(), items.end());
    }
  }
};

int run_embed(const Session& session, const EmbedFlags& flags) {
  require_model(session);
  TextSource source(flags.input);
  Destination destination;
  destination.lines_on_stdout = flags.output_file.empty() && flags.output == "jsonl";
  destination.keep = flags.output_file.empty() && flags.output == "json";
  if (!flags.output_file.empty()) {
    const VectorFormat format = vector_format(flags.output_file, flags.format);
    const std::string path = flags.output_file == "-" ? "/dev/stdout" : flags.output_file;
    destination.file = std::make_unique<VectorFile>(path, format, session.model);
  }
  TextWindow first = source.next().value();  // a source without any text has thrown
  const Engine engine = load_engine(session);
  TokenDestination tokens{.destination = destination};
  const bool late = !engine.info().late_interaction.empty();
  if (late && destination.file && vector_format(flags.output_file, flags.format) == VectorFormat::kNpy) {
    throw Error(ErrorCode::kInvalidInput,
                "the model gives one vector for each token, which .npy cannot hold; wanted .safetensors or .jsonl");
  }
  if (late) {
    embed_all_tokens(engine, session, source, std::move(first),
                     [&](std::span<const MultiVector> items) { tokens.take(items); });
  } else {
    embed_all(engine, session, source, std::move(first),
              [&](const TextWindow&, const Embeddings& embeddings) { destination.take(embeddings); });
  }
  const ResultFacts facts{session.model, canonical_model_name(session.model), destination.rows, destination.dim,
                          destination.fingerprint.finish()};
  if (destination.file) {
    destination.file->finish();
    say(session, fmt::format("wrote {} x {} float32 to {}, fingerprint {}", facts.rows, facts.dim, flags.output_file,
                             facts.fingerprint));
  } else if (!destination.lines_on_stdout) {
    write_stdout(late ? result_json(facts, tokens.texts, destination.keep ? &tokens.kept : nullptr)
                      : result_json(facts, destination.keep ? &destination.kept : nullptr));
  }
  flush_stdout();
  return kExitOk;
}

}  // namespace

void add_embed_command(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("embed", "turn texts into vectors");
  auto flags = std::make_shared<EmbedFlags>();  // owned by the callbacks of this command alone
  add_texts_argument(*command, flags->input.arguments, "the texts (put -- before one that starts with a dash)");
  add_text_option(*command, "-i,--input", flags->input.file,
                  "a file of texts, one a line, or .jsonl; - is standard input")
      ->type_name("FILE");
  add_text_option(*command, "--field", flags->input.field, "the input is JSON lines with the text under NAME [text]")
      ->type_name("NAME");
  CLI::Option* file = add_text_option(*command, "-o,--output-file", flags->output_file,
                                      "write the vectors to FILE: .npy, .safetensors or .jsonl; - is standard output")
                          ->type_name("FILE");
  limit_to_names(
      command->add_option_function<std::string>(
          "--format", [flags](const std::string& name) { flags->format = name; }, "of -o FILE, whatever its ending"),
      {"npy", "safetensors", "jsonl"})
      ->needs(file);
  limit_to_names(command->add_option("--output", flags->output, "on standard output, without -o [summary]"),
                 {"summary", "json", "jsonl"})
      ->excludes(file);
  add_model_flags(*command, session);
  add_task_flag(*command, session);
  add_embed_flags(*command, session);
  CLI::Option* query = command->add_flag_callback(
      "--query", [&session] { session.embed.role = Role::kQuery; }, "the texts are queries: use the prompt for those");
  command
      ->add_flag_callback(
          "--document", [&session] { session.embed.role = Role::kDocument; },
          "the texts are documents: use the prompt for those")
      ->excludes(query);
  command->footer(
      "Examples:\n"
      "  mlx_embeddings embed -m ./all-MiniLM-L6-v2 \"a cat\" \"a dog\" --output json\n"
      "  mlx_embeddings embed -m ./all-MiniLM-L6-v2 -i lines.txt -o vectors.npy\n"
      "  zcat articles.jsonl.gz | mlx_embeddings embed -m ./all-MiniLM-L6-v2 -i - --field body --output jsonl");
  command->callback([flags, &session] { session.action = [flags, &session] { return run_embed(session, *flags); }; });
}

}  // namespace mlxe::cli
