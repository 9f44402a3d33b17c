// `mlx_embeddings info`: what a model is and how it would be run.
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "commands.h"
#include "exit_code.h"
#include "flag_text.h"
#include "json_text.h"
#include "mlxe/version.h"
#include "standard_output.h"

namespace mlxe::cli {
namespace {

using Value = std::variant<std::string, std::size_t, bool, std::vector<std::string>>;

struct Fact {
  std::string key;    ///< in JSON
  std::string label;  ///< in the table
  Value value;
};

std::size_t count(int number) {
  return static_cast<std::size_t>(number);
}

std::vector<std::string> texts_of(const std::vector<int>& numbers) {
  std::vector<std::string> texts;
  for (const int number : numbers) {
    texts.push_back(std::to_string(number));
  }
  return texts;
}

std::vector<Fact> facts_of(const ModelInfo& info) {
  return {
      {"path", "folder", info.path},
      {"adapter", "adapter", info.adapter},
      {"model_type", "architecture", info.model_type},
      {"task", "task", info.task},
      {"task_source", "  decided by", info.task_source},
      {"labels", "labels", info.labels},
      {"score_function", "  scores are", info.score_function},
      {"mask_token", "mask token", info.mask_token},
      {"num_parameters", "parameters", info.num_parameters},
      {"checkpoint_dtype", "checkpoint dtype", info.checkpoint_dtype},
      {"float_dtype", "  its floats", info.float_dtype},
      {"vocab_size", "vocabulary", count(info.vocab_size)},
      {"num_layers", "layers", count(info.num_layers)},
      {"hidden_size", "hidden size", count(info.hidden_size)},
      {"embedding_dim", "vector dimensions", count(info.embedding_dim)},
      {"modules", "modules", info.modules},
      {"pooling", "pooling", info.pooling},
      {"pooling_source", "  decided by", info.pooling_source},
      {"normalize_declared", "normalize declared", info.normalize_declared},
      {"max_length", "token limit", count(info.max_length)},
      {"max_length_source", "  decided by", info.max_length_source},
      {"max_positions", "  can be raised to", count(info.max_positions)},
      {"prompt_names", "prompts", info.prompt_names},
      {"default_prompt_name", "default prompt", info.default_prompt_name},
      {"prompt_source", "  taken from", info.prompt_source},
      {"matryoshka_dims", "trained dimensions", texts_of(info.matryoshka_dims)},
      {"late_interaction", "late interaction", info.late_interaction},
      {"device", "device", info.device},
      {"precision", "precision", info.precision},
      {"precision_reason", "  because", info.precision_reason},
      {"instruction_set", "instruction set", info.instruction_set},
      {"threads", "threads", count(info.threads)},
      {"warnings", "warnings", info.warnings},
      {"version", "mlx_embeddings", std::string(MLXE_VERSION)},
  };
}

struct AsJson {
  std::string operator()(const std::string& text) const { return json_string(text); }
  std::string operator()(std::size_t number) const { return fmt::format("{}", number); }
  std::string operator()(bool yes) const { return yes ? "true" : "false"; }
  std::string operator()(const std::vector<std::string>& texts) const {
    std::string out;
    for (const std::string& text : texts) {
      out += (out.empty() ? "" : ", ") + json_string(text);
    }
    return "[" + out + "]";
  }
};

struct AsText {
  std::string operator()(const std::string& text) const { return text.empty() ? "-" : text; }
  std::string operator()(std::size_t number) const { return fmt::format("{}", number); }
  std::string operator()(bool yes) const { return yes ? "yes" : "no"; }
  std::string operator()(const std::vector<std::string>& texts) const {
    return texts.empty() ? "-" : fmt::format("{}", fmt::join(texts, "; "));
  }
};

int run_info(const Session& session, bool json) {
  const Engine engine = load_engine(session);
  std::string out = json ? "{\n" : "";
  const std::vector<Fact> facts = facts_of(engine.info());
  for (const Fact& fact : facts) {
    if (json) {
      const bool last = &fact == &facts.back();
      out += fmt::format("  \"{}\": {}{}\n", fact.key, std::visit(AsJson{}, fact.value), last ? "" : ",");
    } else {
      out += fmt::format("{:<20}{}\n", fact.label, std::visit(AsText{}, fact.value));
    }
  }
  write_stdout(json ? out + "}\n" : out);
  flush_stdout();
  return kExitOk;
}

}  // namespace

void add_info_command(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("info", "say what a model is and how it would be run");
  auto output = std::make_shared<std::string>("text");  // owned by the callbacks of this command alone
  limit_to_names(command->add_option("--output", *output, "text for reading, or json [text]"), {"text", "json"});
  add_model_flags(*command, session);
  add_task_flag(*command, session);
  command->footer("Example:\n  mlx_embeddings info -m ./all-MiniLM-L6-v2 --precision fp32");
  command->callback(
      [output, &session] { session.action = [output, &session] { return run_info(session, *output == "json"); }; });
}

}  // namespace mlxe::cli
