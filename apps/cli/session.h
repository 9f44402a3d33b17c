// What every subcommand shares: the flags for loading and embedding, and talk on stderr.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "mlxe/engine.h"
#include "mlxe/hub.h"

namespace CLI {
class App;
}

namespace mlxe::cli {

/// The shared flags as given, and what the chosen subcommand will do. Outlives the CLI::App that fills it.
struct Session {
  std::string model;
  LoadOptions load;
  EmbedOptions embed;
  bool verbose = false;
  bool quiet = false;
  std::function<int()> action;  ///< set by the subcommand; returns the exit code
};

/// --revision --offline: what a command that wants a model's files takes.
void add_hub_flags(CLI::App& app, Session& session);
void add_talk_flags(CLI::App& app, Session& session);    // -v, -q
void add_model_flags(CLI::App& app, Session& session);   ///< those, -m --device --precision --threads --pooling -v -q
void add_task_flag(CLI::App& app, Session& session);     ///< --task, where the command itself does not decide it
void add_run_flags(CLI::App& app, Session& session);     ///< --max-length --on-overflow --batch-tokens
void add_embed_flags(CLI::App& app, Session& session);   ///< those, and --prompt --dimensions --no-normalize
void add_prompt_flags(CLI::App& app, Session& session);  ///< --prompt --prompt-name

/// Loads session.model and says on stderr what a user should know of (its warnings; with -v also what was loaded).
/// \throws Error{kInvalidInput} if no model was named, and whatever Engine::load throws
[[nodiscard]] Engine load_engine(const Session& session);

/// Throws Error{kInvalidInput} saying how to name a model, if none was named. For checks before anything slow.
void require_model(const Session& session);

void say(const Session& session, std::string_view line);     ///< one line on stderr unless -q
void detail(const Session& session, std::string_view line);  ///< one line on stderr with -v

}  // namespace mlxe::cli
