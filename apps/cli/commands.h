// The subcommands: each adds itself, with its flags and help, to the program's command line.
#pragma once

#include "session.h"

namespace CLI {
class App;
}

namespace mlxe::cli {

// Each adds one subcommand whose callback sets session.action; main runs the action after the whole line is parsed.
void add_flat_form(CLI::App& app, Session& session);  // no subcommand: --model M --text T
void add_embed_command(CLI::App& app, Session& session);
void add_similarity_command(CLI::App& app, Session& session);
void add_rerank_command(CLI::App& app, Session& session);
void add_classify_command(CLI::App& app, Session& session);
void add_fill_mask_command(CLI::App& app, Session& session);
void add_sparse_command(CLI::App& app, Session& session);
void add_tokens_command(CLI::App& app, Session& session);
void add_info_command(CLI::App& app, Session& session);
void add_families_command(CLI::App& app, Session& session);
void add_download_command(CLI::App& app, Session& session);
void add_verify_command(CLI::App& app, Session& session);
void add_cache_command(CLI::App& app, Session& session);
void add_convert_command(CLI::App& app, Session& session);
void add_bench_command(CLI::App& app, Session& session);

}  // namespace mlxe::cli
