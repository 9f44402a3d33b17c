// The program mlx_embeddings: parses the command line, runs one command, turns every failure into an exit code.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "base/nearest.h"
#include "commands.h"
#include "exit_code.h"
#include "interrupt.h"
#include "lost_file.h"
#include "mlxe/version.h"
#include "standard_output.h"

namespace mlxe::cli {
namespace {

constexpr const char* kFooter =
    "Examples:\n"
    "  mlx_embeddings --model ./all-MiniLM-L6-v2 --text \"a cat\" --text \"a dog\"\n"
    "  mlx_embeddings embed -m ./all-MiniLM-L6-v2 -i lines.txt -o vectors.npy\n"
    "  mlx_embeddings similarity -m ./all-MiniLM-L6-v2 \"a cat\" \"a kitten\" \"a car\" --heatmap map.svg\n"
    "  mlx_embeddings rerank -m ./bge-reranker-base --query \"why does bread rise?\" -i passages.txt --top-k 5\n"
    "Exit codes: 0 done; 1 a bug of this program; 2 wrong usage or input; 3 the model cannot be loaded;\n"
    "  4 a file cannot be read or written; 5 out of memory; 130 stopped by Ctrl-C; 141 the reader of the output left.";

void print_error(std::string_view message) {
  std::fputs(fmt::format("mlx_embeddings: error: {}\n", message).c_str(), stderr);
}

const CLI::App& chosen(const CLI::App& app) {
  const auto commands = app.get_subcommands();
  return commands.empty() ? app : chosen(*commands.front());
}

std::string command_path(const CLI::App& app) {
  return app.get_parent() == nullptr ? "mlx_embeddings" : command_path(*app.get_parent()) + " " + app.get_name();
}

std::string did_you_mean(std::string_view given, const std::vector<std::string>& names, std::string_view dashes) {
  const auto nearest = nearest_name(given, names);
  return nearest ? fmt::format("; did you mean '{}{}'?", dashes, *nearest) : std::string();
}

/// Names what was not understood and the nearest thing that would be.
std::string unknown_argument(const CLI::App& app, const std::string& argument) {
  if (argument.starts_with("-")) {
    std::vector<std::string> names;
    for (const CLI::Option* option : app.get_options()) {
      names.insert(names.end(), option->get_lnames().begin(), option->get_lnames().end());
    }
    const std::size_t begin = std::min(argument.find_first_not_of('-'), argument.size());
    const std::string name = argument.substr(begin, argument.find('=', begin) - begin);
    return fmt::format("unknown option '{}'{}", argument, did_you_mean(name, names, "--"));
  }
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  if (names.empty()) {
    return fmt::format("unexpected argument '{}'", argument);
  }
  return fmt::format("unknown command '{}'{}; the commands are {}", argument, did_you_mean(argument, names, ""),
                     fmt::join(names, ", "));
}

int usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& command = chosen(app);
  const std::vector<std::string> extra = command.remaining();
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr && !extra.empty()) {
    // A mistyped flag leaves its value behind too; the flag is the mistake.
    const auto flag = std::find_if(extra.begin(), extra.end(), [](const auto& text) { return text.starts_with("-"); });
    print_error(unknown_argument(command, flag != extra.end() ? *flag : extra.front()));
  } else {
    print_error(error.what());
  }
  std::fputs(fmt::format("Run '{} --help' for its options and an example.\n", command_path(command)).c_str(), stderr);
  return kExitUsage;
}

/// The arguments after the program's name. CLI11 takes the next argument for the value of "--prompt="; an empty one
/// is meant.
std::vector<std::string> arguments_of(int argc, char** argv) {
  std::vector<std::string> arguments;
  bool options_ended = false;
  for (const char* given : std::span(argv, static_cast<std::size_t>(argc)).subspan(argc > 0 ? 1 : 0)) {
    std::string argument = given;
    options_ended = options_ended || argument == "--";
    if (!options_ended && argument.starts_with("--") && argument.find('=') == argument.size() - 1) {
      argument.pop_back();
      arguments.push_back(argument);
      argument.clear();
    }
    arguments.push_back(argument);
  }
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
  return arguments;
}

int run(int argc, char** argv) {
  Session session;
  CLI::App app{"Turns texts into vectors with embedding models from plain Hugging Face folders.", "mlx_embeddings"};
  app.set_version_flag("--version", "mlx_embeddings " MLXE_VERSION, "print the version");
  app.set_help_flag("-h,--help", "print this help");
  app.require_subcommand(0, 1);
  app.footer(kFooter);
  add_flat_form(app, session);
  add_embed_command(app, session);
  add_similarity_command(app, session);
  add_rerank_command(app, session);
  add_classify_command(app, session);
  add_fill_mask_command(app, session);
  add_sparse_command(app, session);
  add_tokens_command(app, session);
  add_info_command(app, session);
  add_families_command(app, session);
  add_download_command(app, session);
  add_verify_command(app, session);
  add_cache_command(app, session);
  add_convert_command(app, session);
  add_bench_command(app, session);
  try {
    app.parse(arguments_of(argc, argv));
  } catch (const CLI::CallForHelp&) {
    write_stdout(app.help() + "\n");
    flush_stdout();
    return kExitOk;
  } catch (const CLI::CallForVersion& version) {
    write_stdout(std::string(version.what()) + "\n");
    flush_stdout();
    return kExitOk;
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error);
  }
  return session.action();
}

int guarded_run(int argc, char** argv) {
  try {
    catch_interrupts();
    catch_lost_files();
    return run(argc, argv);
  } catch (const PipeClosed&) {
    return kExitPipeClosed;
  } catch (const Error& error) {
    if (interrupt_signal() != 0) {
      print_error("interrupted");
      return kExitSignalBase + interrupt_signal();
    }
    print_error(error.code() == ErrorCode::kInternal ? fmt::format("{} (this is a bug)", error.what()) : error.what());
    return exit_code(error.code());
  } catch (const std::bad_alloc&) {
    print_error("out of memory");
    return kExitMemory;
  } catch (const std::exception& error) {
    print_error(fmt::format("{} (this is a bug)", error.what()));
    return kExitInternal;
  }
}

}  // namespace
}  // namespace mlxe::cli

int main(int argc, char** argv) {
  return mlxe::cli::guarded_run(argc, argv);
}
