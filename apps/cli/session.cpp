// The shared flags, the loading of the model and the talk on stderr.
#include "session.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "flag_text.h"
#include "hub_talk.h"

namespace mlxe::cli {
namespace {

/// --flag with one of the names of `values`; any other is refused by CLI11 with the list of names.
template <typename T>
void add_choice(CLI::App& app, const std::string& flag, T& target, const std::map<std::string, T>& values,
                const std::string& help) {
  std::vector<std::string> names;
  for (const auto& [name, value] : values) {
    names.push_back(name);
  }
  limit_to_names(app.add_option_function<std::string>(
                     flag, [&target, values](const std::string& name) { target = values.at(name); }, help),
                 names);
}

}  // namespace

void add_hub_flags(CLI::App& app, Session& session) {
  add_text_option(app, "--revision", session.load.hub.revision,
                  "branch, tag or commit of a model that is named, as in NAME@REVISION [main]");
  app.add_flag("--offline", session.load.hub.offline, "use what the cache holds and open no connection");
}

void add_talk_flags(CLI::App& app, Session& session) {
  app.add_flag("-v,--verbose", session.verbose, "say on stderr what was loaded and how fast it went");
  app.add_flag("-q,--quiet", session.quiet, "no talk on stderr, errors excepted");
}

void add_model_flags(CLI::App& app, Session& session) {
  add_text_option(
      app, "-m,--model", session.model,
      "a model folder or .gguf file, or a name: an alias or ORG/NAME, downloaded if the Hugging Face cache lacks it; "
      "MODEL:Q4_K_M or MODEL:FILE.gguf takes one of several GGUF files");
  add_choice<Device>(app, "--device", session.load.device,
                     {{"auto", Device::kAuto}, {"cpu", Device::kCpu}, {"mlx", Device::kMlx}},
                     "where to compute [auto]");
  add_choice<Precision>(
      app, "--precision", session.load.precision,
      {{"auto", Precision::kAuto},
       {"fp32", Precision::kFp32},
       {"bf16", Precision::kBf16},
       {"int16", Precision::kInt16},
       {"int8", Precision::kInt8}},
      "of the arithmetic [auto: bf16 or int16 where the CPU has fast instructions for them, else fp32]");
  limit_to_range(app.add_option("--threads", session.load.threads, "CPU threads [as many as this process may use]"), 1,
                 kMaxThreads);
  app.add_option_function<std::string>(
         "--pooling", [&session](const std::string& name) { session.load.pooling = name; },
         "mean, cls, max, ..., or several joined by + [what the checkpoint declares]")
      ->type_name("MODE");
  add_text_option(app, "--adapter", session.load.adapter, "a LoRA adapter to merge into the model: a folder or a name");
  app.add_flag("--expand-quantized", session.load.expand_quantized,
               "expand a quantised checkpoint's weights at load: more memory, the same vectors");
  add_hub_flags(app, session);
  add_talk_flags(app, session);
}

void add_task_flag(CLI::App& app, Session& session) {
  add_choice<Task>(app, "--task", session.load.task,
                   {{"auto", Task::kAuto},
                    {"embed", Task::kEmbed},
                    {"multi-vector", Task::kMultiVector},
                    {"sparse", Task::kSparse},
                    {"rerank", Task::kRerank},
                    {"classify", Task::kClassify},
                    {"classify-tokens", Task::kClassifyTokens},
                    {"fill-mask", Task::kFillMask}},
                   "what the model is loaded for [auto: what the checkpoint declares]");
}

void add_prompt_flags(CLI::App& app, Session& session) {
  CLI::Option* prompt = add_text_option(app, "--prompt", session.embed.prompt, "put before every text as it is");
  add_text_option(app, "--prompt-name", session.embed.prompt_name, "a prompt that the checkpoint declares")
      ->type_name("NAME")
      ->excludes(prompt);
}

void add_run_flags(CLI::App& app, Session& session) {
  limit_to_range(app.add_option_function<int>(
                     "--max-length", [&session](int count) { session.embed.max_length = count; },
                     "most tokens of a text, special ones included [what the checkpoint declares]"),
                 1);
  add_choice<Overflow>(app, "--on-overflow", session.embed.on_overflow,
                       {{"truncate", Overflow::kTruncate}, {"error", Overflow::kError}},
                       "what to do with a longer text [truncate]");
  limit_to_range(
      app.add_option("--batch-tokens", session.embed.batch_tokens, "tokens computed at once; never changes a result"),
      1);
}

void add_embed_flags(CLI::App& app, Session& session) {
  add_prompt_flags(app, session);
  limit_to_range(app.add_option_function<int>(
                     "--dimensions", [&session](int count) { session.embed.dimensions = count; },
                     "keep the first N dimensions (Matryoshka models)"),
                 1);
  app.add_flag_callback(
      "--no-normalize", [&session] { session.embed.normalize = Normalize::kNever; },
      "leave the vectors' lengths alone");
  add_run_flags(app, session);
}

void require_model(const Session& session) {
  if (session.model.empty()) {
    throw Error(ErrorCode::kInvalidInput,
                "no model was named: add --model FOLDER, or --model NAME for one of the Hugging Face Hub");
  }
}

Engine load_engine(const Session& session) {
  require_model(session);
  const auto start = std::chrono::steady_clock::now();
  HubTalk talk(session);
  LoadOptions options = session.load;
  options.hub = talk.options();
  if (session.verbose) {
    options.on_step = [&](std::string_view step) { detail(session, step); };
  }
  Engine engine = Engine::load(session.model, options);
  talk.finish();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const ModelInfo& info = engine.info();
  for (const std::string& warning : info.warnings) {
    say(session, "warning: " + warning);
  }
  if (const auto& trained = info.matryoshka_dims;
      session.embed.dimensions && !trained.empty() &&
      std::find(trained.begin(), trained.end(), *session.embed.dimensions) == trained.end()) {
    say(session, fmt::format("warning: {} dimensions are none of those that the model was trained for: {}",
                             *session.embed.dimensions, fmt::join(trained, ", ")));
  }
  const std::string made_for =
      info.embedding_dim > 0
          ? fmt::format("{} dimensions, {} pooling from {}", info.embedding_dim, info.pooling, info.pooling_source)
          : fmt::format("{} from {}", info.task, info.task_source);
  detail(session, fmt::format("loaded {} ({}, {}) in {:.2f} s", info.path, info.model_type, made_for, seconds));
  detail(session, fmt::format("{}, {} ({}), {} thread{}", info.device, info.precision, info.precision_reason,
                              info.threads, info.threads == 1 ? "" : "s"));
  return engine;
}

void say(const Session& session, std::string_view line) {
  if (!session.quiet) {
    // fputs, not fmt::print: a closed stderr must not become an exception.
    std::fputs(fmt::format("mlx_embeddings: {}\n", line).c_str(), stderr);
  }
}

void detail(const Session& session, std::string_view line) {
  if (session.verbose) {
    say(session, line);
  }
}

}  // namespace mlxe::cli
