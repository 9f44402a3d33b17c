// `mlx_embeddings download`: a model's files into the cache, before they are needed.
#include <memory>
#include <string>

#include <fmt/format.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "commands.h"
#include "exit_code.h"
#include "flag_text.h"
#include "hub_talk.h"
#include "json_text.h"
#include "mlxe/hub.h"
#include "standard_output.h"

namespace mlxe::cli {
namespace {

int run_download(const Session& session, bool json) {
  HubTalk talk(session);
  const Snapshot snapshot = download_model(session.model, talk.options());
  talk.finish();
  if (json) {
    write_stdout(fmt::format(
        "{{\n  \"model\": {},\n  \"repository\": {},\n  \"revision\": {},\n  \"commit\": {},\n"
        "  \"folder\": {},\n  \"files\": {},\n  \"downloaded_bytes\": {}\n}}\n",
        json_string(session.model), json_string(snapshot.repository), json_string(snapshot.revision),
        json_string(snapshot.commit), json_string(snapshot.folder), snapshot.num_files, snapshot.new_bytes));
  } else if (snapshot.repository.empty()) {
    write_stdout(fmt::format("{:<12}{} (it is a folder; nothing to download)\n", "folder", snapshot.folder));
  } else {
    write_stdout(fmt::format("{:<12}{}\n{:<12}{}\n{:<12}{}\n{:<12}{}\n{:<12}{}, {} downloaded\n", "model",
                             snapshot.repository, "revision", snapshot.revision, "commit", snapshot.commit, "folder",
                             snapshot.folder, "files", snapshot.num_files, size_text(snapshot.new_bytes)));
  }
  flush_stdout();
  return kExitOk;
}

}  // namespace

void add_download_command(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("download", "download a model into the Hugging Face cache, or complete it");
  auto output = std::make_shared<std::string>("table");  // owned by the callbacks of this command alone
  add_text_option(*command, "model,-m,--model", session.model,
                  "an alias, ORG/NAME or ORG/NAME@REVISION; ORG/NAME:Q4_K_M for one of several GGUF files")
      ->required()
      ->type_name("NAME");
  limit_to_names(command->add_option("--output", *output, "what to print [table]"), {"table", "json"});
  add_hub_flags(*command, session);
  add_talk_flags(*command, session);
  command->footer("Example:\n  mlx_embeddings download BAAI/bge-small-en-v1.5");
  command->callback(
      [output, &session] { session.action = [output, &session] { return run_download(session, *output == "json"); }; });
}

}  // namespace mlxe::cli
