// `mlx_embeddings convert`: a model folder in another type or in one of MLX's quantised formats, and back.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "commands.h"
#include "exit_code.h"
#include "flag_text.h"
#include "hub_talk.h"
#include "interrupt.h"
#include "mlxe/convert.h"
#include "progress_bar.h"
#include "session.h"
#include "standard_output.h"
#include "text_source.h"

namespace mlxe::cli {
namespace {

struct ConvertFlags {
  std::string hf_path;
  ConvertOptions options;
  std::string calibration;
  std::string upload_repo;
  bool trust_remote_code = false;
};

void print_line(const char* label, const std::string& text) {
  std::fputs(fmt::format("[{}] {}\n", label, text).c_str(), stderr);
}

/// What to type for the same model again; a folder by its own name, as its path means nothing elsewhere.
std::string command_of(const ConvertFlags& flags, const Session& session) {
  const ConvertOptions& options = flags.options;
  const std::filesystem::path path = std::filesystem::path(flags.hf_path).lexically_normal();
  const bool is_folder = std::filesystem::is_directory(flags.hf_path);
  const std::filesystem::path name = path.has_filename() ? path.filename() : path.parent_path().filename();
  std::string command = fmt::format("mlx_embeddings convert --hf-path {}", is_folder ? name.string() : flags.hf_path);
  if (session.load.hub.revision) {
    command += fmt::format(" --revision {}", *session.load.hub.revision);
  }
  const auto add = [&command](const char* flag, const std::string& value) {
    command += fmt::format(" {} {}", flag, value);
  };
  if (options.quantize) {
    command += " --quantize";
    add("--q-mode", options.q_mode);
  }
  if (options.q_bits) {
    add("--q-bits", std::to_string(*options.q_bits));
  }
  if (options.q_group_size) {
    add("--q-group-size", std::to_string(*options.q_group_size));
  }
  if (options.recipe) {
    add("--q-recipe", *options.recipe);
  }
  if (options.error_budget) {
    add("--error-budget", fmt::format("{}", *options.error_budget));
  }
  if (options.dtype) {
    add("--dtype", *options.dtype);
  }
  if (options.dequantize) {
    command += " --dequantize";
  }
  return command;
}

std::string report_table(const ConversionReport& report) {
  std::string out;
  std::size_t width = 5;
  for (const QuantizedLayer& layer : report.layers) {
    width = std::max(width, layer.path.size());
  }
  if (!report.layers.empty()) {
    out += fmt::format("{:<{}}  {:<6}  {:>4}  {:>5}  {:>11}  {:>8}  {:>9}\n", "layer", width, "mode", "bits", "group",
                       "parameters", "error", "largest");
  }
  for (const QuantizedLayer& layer : report.layers) {
    out += fmt::format("{:<{}}  {:<6}  {:>4}  {:>5}  {:>11}  {:>8.5f}  {:>9.2e}\n", layer.path, width, layer.mode,
                       layer.bits, layer.group_size, layer.num_parameters, layer.relative_error, layer.largest_error);
  }
  out += fmt::format("weights: {:.1f} MB, from {:.1f} MB", static_cast<double>(report.bytes) / 1e6,
                     static_cast<double>(report.source_bytes) / 1e6);
  out += report.bits_per_weight > 0 ? fmt::format(", {:.2f} bits per weight\n", report.bits_per_weight) : "\n";
  if (report.min_cosine) {
    out += fmt::format("vectors of {} texts before and after: cosine at least {:.6f}, {:.6f} on average\n",
                       report.num_texts, *report.min_cosine, *report.mean_cosine);
  }
  return out;
}

/// The new folder on the hub, with a bar as for a download.
void upload(const ConvertFlags& flags, const Session& session) {
  ProgressBar bar(!session.quiet);
  UploadOptions options;
  options.message = fmt::format("Upload {}", flags.hf_path);
  options.on_message = [&](std::string_view text) {
    bar.wipe();
    print_line("INFO", std::string(text));
  };
  options.on_progress = [&](const TransferProgress& progress) {
    throw_if_interrupted();
    bar.update(progress);
    return true;
  };
  const Upload done = upload_folder(flags.options.mlx_path, flags.upload_repo, options);
  bar.wipe();
  if (!session.quiet) {
    print_line("INFO", fmt::format("Upload successful, go to {} for details.", done.url));
  }
}

int run_convert(ConvertFlags& flags, const Session& session) {
  if (!flags.upload_repo.empty()) {
    check_upload(flags.upload_repo);  // not after hours of work
  }
  ConvertOptions& options = flags.options;
  if (!flags.calibration.empty()) {
    TextInput input;
    input.file = flags.calibration;
    TextSource source(input);
    while (auto window = source.next()) {
      std::move(window->texts.begin(), window->texts.end(), std::back_inserter(options.calibration_texts));
    }
    if (options.calibration_texts.empty()) {
      throw Error(ErrorCode::kInvalidInput, fmt::format("'{}' holds no texts", flags.calibration));
    }
  }
  options.command = command_of(flags, session);
  const bool quiet = session.quiet;
  HubTalk talk(session);
  options.hub = talk.options();
  ProgressBar bar(!quiet);
  options.on_message = [quiet, &talk, &bar](Severity severity, const std::string& text) {
    talk.finish();
    bar.wipe();
    if (severity == Severity::kWarning || !quiet) {
      print_line(severity == Severity::kWarning ? "WARNING" : "INFO", text);
    }
  };
  options.on_progress = [&bar](const ConvertProgress& progress) {
    throw_if_interrupted();
    bar.update(TransferProgress{.file = "converting",
                                .done_bytes = progress.done_bytes,
                                .total_bytes = progress.total_bytes,
                                .new_bytes = progress.done_bytes});
    return true;
  };
  if (flags.trust_remote_code) {
    options.on_message(Severity::kInfo, "code of a repository is never run here, whatever --trust-remote-code says");
  }
  const ConversionReport report = convert_model(flags.hf_path, options);
  bar.wipe();
  if (options.measure) {
    write_stdout(report_table(report));
    flush_stdout();
  }
  if (!quiet) {
    print_line("INFO", fmt::format("Conversion complete. Model saved to {}", options.mlx_path));
  }
  if (!flags.upload_repo.empty()) {
    upload(flags, session);
  }
  return kExitOk;
}

}  // namespace

void add_convert_command(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("convert", "write a model in another type or in one of MLX's quantised formats");
  auto flags = std::make_shared<ConvertFlags>();  // owned by the callbacks of this command alone
  ConvertOptions& options = flags->options;
  add_text_option(*command, "--hf-path,--model,-m", flags->hf_path, "the model: a folder, an alias or org/name")
      ->required()
      ->type_name("MODEL");
  add_hub_flags(*command, session);
  add_text_option(*command, "--mlx-path", options.mlx_path, "the new folder [mlx_model]")->type_name("FOLDER");
  command->add_flag("-q,--quantize", options.quantize, "quantise Linear and Embedding layers");
  add_text_option(*command, "--q-mode", options.q_mode, "affine, mxfp4, nvfp4 or mxfp8 [affine]")->type_name("MODE");
  command->add_option("--q-group-size", options.q_group_size, "weights that share a scale [the mode's: 64, 32, 16, 32]")
      ->type_name("N");
  command->add_option("--q-bits", options.q_bits, "bits of a weight [the mode's: 4, 4, 4, 8]")->type_name("N");
  add_text_option(*command, "--q-recipe", options.recipe,
                  "more bits for the layers that need them: mixed_2_6, mixed_3_4, mixed_3_6, mixed_4_6")
      ->type_name("RECIPE");
  command
      ->add_option("--error-budget", options.error_budget,
                   "choose each layer's bits so that the vectors of sample texts keep this cosine")
      ->type_name("COSINE");
  add_text_option(*command, "--calibration", flags->calibration, "the sample texts: a file, one a line, or .jsonl")
      ->type_name("FILE");
  limit_to_names(add_text_option(*command, "--dtype", options.dtype,
                                 "type of what is not quantised [float16, or the checkpoint's where that overflows]"),
                 {"float16", "bfloat16", "float32"});
  command->add_flag("-d,--dequantize", options.dequantize, "expand a quantised model");
  command->add_flag("--skip-vision,!--no-skip-vision", options.skip_vision,
                    "leave vision towers as they are [this is the default]");
  command->add_flag("--trust-remote-code", flags->trust_remote_code, "accepted; code of a model is never run");
  add_text_option(*command, "--upload-repo", flags->upload_repo,
                  "put the new folder into this repository of the hub, ORG/NAME; wants HF_TOKEN")
      ->type_name("NAME");
  command->add_flag("--overwrite", options.overwrite, "replace the model folder at --mlx-path");
  command->add_flag("--report", options.measure,
                    "print each layer's error, and how far the vectors of sample texts moved");
  limit_to_range(command->add_option("--threads", options.threads, "CPU threads [as many as this process may use]"), 0,
                 1024);
  command->add_flag("--quiet", session.quiet, "only warnings and errors on stderr");
  command->footer(
      "Examples:\n"
      "  mlx_embeddings convert --hf-path ./all-MiniLM-L6-v2 --mlx-path ./minilm-4bit -q --report\n"
      "  mlx_embeddings convert --hf-path ./Qwen3-Embedding-0.6B --mlx-path ./qwen3-mxfp8 -q --q-mode mxfp8\n"
      "  mlx_embeddings convert --hf-path ./all-MiniLM-L6-v2 --mlx-path ./minilm-mixed -q --error-budget 0.99\n"
      "  mlx_embeddings convert --hf-path ./minilm-4bit --mlx-path ./minilm-plain -d --dtype float32");
  command->callback([flags, &session] { session.action = [flags, &session] { return run_convert(*flags, session); }; });
}

}  // namespace mlxe::cli
