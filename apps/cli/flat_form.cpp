// The seed's flat form without a subcommand: --model M --text T [--text ...], --list-families.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "commands.h"
#include "embed_run.h"
#include "exit_code.h"
#include "families_text.h"
#include "fingerprint.h"
#include "flag_text.h"
#include "mlxe/families.h"
#include "result_json.h"
#include "standard_output.h"

namespace mlxe::cli {
namespace {

constexpr int kDefaultMaxLength = 512;  // the seed's; subcommands use what the checkpoint declares

struct FlatFlags {
  std::vector<std::string> texts;
  std::string output = "summary";
  bool list_families = false;
  bool trust_remote_code = false;
};

int run_flat(Session& session, const FlatFlags& flags) {
  if (flags.list_families) {
    write_stdout(families_json());
    flush_stdout();
    return kExitOk;
  }
  // The seed's two messages, word for word: scripts match on them.
  if (session.model.empty()) {
    throw Error(ErrorCode::kInvalidInput, "--model is required unless --list-families is used.");
  }
  if (flags.texts.empty()) {
    throw Error(ErrorCode::kInvalidInput, "Provide at least one --text or --image input.");
  }
  TextSource source({.arguments = flags.texts, .file = {}, .field = {}, .pair_field = {}});
  TextWindow first = source.next().value();  // there is at least one text
  const Engine engine = load_engine(session);
  if (!session.embed.max_length) {
    session.embed.max_length = std::min(kDefaultMaxLength, engine.info().max_positions);
  }
  const Embeddings embeddings = embed_into_memory(engine, session, source, std::move(first)).embeddings;
  Fingerprint fingerprint;
  fingerprint.add(embeddings.values);
  const ResultFacts facts{session.model, canonical_model_name(session.model), embeddings.count(), embeddings.dim,
                          fingerprint.finish()};
  write_stdout(result_json(facts, flags.output == "json" ? &embeddings : nullptr));
  flush_stdout();
  return kExitOk;
}

}  // namespace

void add_flat_form(CLI::App& app, Session& session) {
  auto flags = std::make_shared<FlatFlags>();  // owned by the callbacks of this command alone
  add_texts_option(app, "--text", flags->texts, "a text to embed; repeat for more");
  limit_to_names(app.add_option("--output", flags->output, "summary, or json with the vectors [summary]"),
                 {"summary", "json"});
  app.add_flag("--list-families", flags->list_families, "print the known model families as JSON");
  app.add_flag("--trust-remote-code", flags->trust_remote_code,
               "accepted and without effect: no code of a model's repository is ever run");
  add_model_flags(app, session);
  add_task_flag(app, session);
  add_embed_flags(app, session);
  app.callback([flags, &app, &session] {
    if (app.get_subcommands().empty()) {
      session.action = [flags, &session] { return run_flat(session, *flags); };
    } else if (!flags->texts.empty() || flags->list_families) {
      throw CLI::ValidationError("--text and --list-families go without a subcommand");
    }
  });
}

}  // namespace mlxe::cli
