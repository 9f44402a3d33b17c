// `mlx_embeddings verify`: is a model's every byte what the hub says it is?
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

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

struct VerifyFlags {
  std::string output = "table";
  bool repair = false;
};

std::string_view state_name(VerifiedFile::State state) {
  switch (state) {
    case VerifiedFile::State::kIntact: return "intact";
    case VerifiedFile::State::kCorrupt: return "corrupt";
    case VerifiedFile::State::kMissing: return "missing";
    case VerifiedFile::State::kUnchecked: break;
  }
  return "unchecked";
}

std::string as_json(const Verification& verification, bool repaired) {
  const Snapshot& snapshot = verification.snapshot;
  std::string out = fmt::format(
      "{{\n  \"repository\": {},\n  \"revision\": {},\n  \"commit\": {},\n  \"folder\": {},\n  \"intact\": {},\n"
      "  \"repaired\": {},\n  \"files\": [",
      json_string(snapshot.repository), json_string(snapshot.revision), json_string(snapshot.commit),
      json_string(snapshot.folder), verification.intact(), repaired);
  for (const VerifiedFile& file : verification.files) {
    out += fmt::format("{}\n    {{\"name\": {}, \"state\": \"{}\", \"size\": {}, \"wanted\": {}, \"found\": {}}}",
                       &file == &verification.files.front() ? "" : ",", json_string(file.name), state_name(file.state),
                       file.size, json_string(file.wanted), json_string(file.found));
  }
  return out + "\n  ]\n}\n";
}

std::string as_table(const Verification& verification) {
  std::size_t width = 0;
  for (const VerifiedFile& file : verification.files) {
    width = std::max(width, file.name.size());
  }
  std::string out;
  for (const VerifiedFile& file : verification.files) {
    out += fmt::format("{:<10} {:>10}  {:<{}}", state_name(file.state), size_text(file.size), file.name, width);
    if (file.state == VerifiedFile::State::kCorrupt) {
      out += fmt::format("  has {}, wanted {}", file.found, file.wanted);
    }
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
  }
  return out;
}

int run_verify(const Session& session, const VerifyFlags& flags) {
  HubTalk talk(session);
  Verification verification = verify_model(session.model, talk.options());
  bool repaired = false;
  if (!verification.intact() && flags.repair) {
    talk.finish();
    if (flags.output == "table") {
      write_stdout(as_table(verification));
    }
    for (const VerifiedFile& file : verification.files) {
      if (file.state == VerifiedFile::State::kCorrupt || file.state == VerifiedFile::State::kMissing) {
        say(session, fmt::format("{} is {}; downloading it again", file.name, state_name(file.state)));
      }
    }
    const std::string name = fmt::format("{}@{}", verification.snapshot.repository, verification.snapshot.commit);
    repair_model(verification, talk.options());
    HubOptions again = talk.options();
    again.revision.reset();
    verification = verify_model(name, again);
    repaired = true;
  }
  talk.finish();
  write_stdout(flags.output == "json" ? as_json(verification, repaired) : as_table(verification));
  flush_stdout();
  if (!verification.intact()) {
    throw Error(
        ErrorCode::kCorruptModel,
        fmt::format("files of '{}' are not what the hub gave out; `mlx_embeddings verify {} --repair` downloads "
                    "those again",
                    verification.snapshot.repository, session.model));
  }
  return kExitOk;
}

}  // namespace

void add_verify_command(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("verify", "hash every file of a cached model again and compare with the hub's hashes");
  auto flags = std::make_shared<VerifyFlags>();  // owned by the callbacks of this command alone
  add_text_option(*command, "model,-m,--model", session.model, "an alias, ORG/NAME or ORG/NAME@REVISION")
      ->required()
      ->type_name("NAME");
  command->add_flag("--repair", flags->repair, "download broken files again, and no others");
  limit_to_names(command->add_option("--output", flags->output, "what to print [table]"), {"table", "json"});
  add_hub_flags(*command, session);
  add_talk_flags(*command, session);
  command->footer("Example:\n  mlx_embeddings verify BAAI/bge-small-en-v1.5 --repair");
  command->callback([flags, &session] { session.action = [flags, &session] { return run_verify(session, *flags); }; });
}

}  // namespace mlxe::cli
