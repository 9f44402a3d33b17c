// What a folder is loaded for: the task, the head that serves it, its labels and what its raw scores go through.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "engine/pipeline.h"
#include "engine/text_settings.h"
#include "mlxe/options.h"
#include "models/architecture.h"
#include "tokenizer/tokenizer.h"

namespace mlxe {

/// What turns raw scores into those that are returned.
enum class ScoreFunction { kNone, kSigmoid, kSoftmax };

/// "embed", "classify-tokens", ...
[[nodiscard]] std::string_view to_string(Task task);
[[nodiscard]] std::string_view to_string(ScoreFunction function);

struct TaskSpec {
  Task task = Task::kEmbed;  ///< never kAuto
  std::string source;        ///< the file or option that decided it
  HeadSpec head;
  std::vector<std::string> labels;                    ///< of a sequence or token classifier
  ScoreFunction class_scores = ScoreFunction::kNone;  ///< of classify()
  ScoreFunction pair_scores = ScoreFunction::kNone;   ///< of score_pairs()
  std::vector<std::string> warnings;
};

/// The task of a folder of late interaction, which `source` says it is.
/// \throws Error{kUnsupported} if something else than vectors is wanted
[[nodiscard]] TaskSpec late_task(Task wanted, const std::string& source);

/// Decides what the folder is loaded for, and reads what its head needs from config.json.
/// \param wanted  kAuto: what the folder declares
/// \throws Error{kUnsupported} for a task that the folder's architecture does not have, Error{kCorruptModel} for labels
///         that contradict each other
[[nodiscard]] TaskSpec decide_task(Task wanted, const PipelineSpec& pipeline, const TextSettings& settings,
                                   const JsonFields& config, const Tokenizer& tokenizer);

}  // namespace mlxe
