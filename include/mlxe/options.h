// What a caller may choose when loading a model and when embedding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mlxe/hub.h"

namespace mlxe {

enum class Device {
  kAuto,  ///< cpu on Linux, mlx on a Mac
  kCpu,   ///< our own kernels
  kMlx,   ///< libmlx: Metal or CUDA where there is one, else MLX's CPU device (slow; for reference)
};

enum class Precision {
  kAuto,   ///< bf16 or int16 where the CPU has fast dot products of them, else fp32
  kFp32,   ///< strict parity with transformers
  kBf16,   ///< half the memory of fp32
  kInt16,  ///< likewise, nearer to fp32; x86 with AVX2
  kInt8,   ///< a quarter
};

/// One operation of a model on one micro-batch.
struct OperationTime {
  std::string name;       ///< of the operation and its shape: "linear 384 -> 1536"
  double seconds = 0;     ///< on the mlx device, of recording it: the work is done at "read"
  double operations = 0;  ///< arithmetic of matrix products and attention, two for each multiply-add; else 0
};

/// What a checkpoint is loaded for; it decides which of its heads is taken.
enum class Task {
  kAuto,            ///< what the folder declares: modules.json, else the `architectures` of config.json
  kEmbed,           ///< vectors: embed(); whatever head there is is left out
  kMultiVector,     ///< multi_vector(): a vector for each token
  kSparse,          ///< the masked-language-model head, for sparse() and all that kFillMask has
  kRerank,          ///< score_pairs() and rerank(): a sequence classifier, or a decoder that answers "yes" or "no"
  kClassify,        ///< a sequence classifier: classify(), and all that kRerank has
  kClassifyTokens,  ///< classify_tokens()
  kFillMask,        ///< the masked-language-model head: fill_mask()
};

/// Far above any machine; catches a mistyped number before it becomes that many threads.
inline constexpr int kMaxThreads = 1024;

struct LoadOptions {
  Task task = Task::kAuto;
  Device device = Device::kAuto;
  Precision precision = Precision::kAuto;
  int threads = 0;  ///< up to kMaxThreads; 0: as many as the cgroup limit and the CPU affinity allow
  /// Overrides the checkpoint: "mean", "cls", ... or "cls+mean" (put side by side).
  std::optional<std::string> pooling = {};
  /// Folder or name of a LoRA adapter that is merged into the model while it loads. A model's own folder may be an
  /// adapter's too: then this stays empty.
  std::optional<std::string> adapter = {};
  /// Expand a quantised checkpoint's weights to the precision of the arithmetic. Without it they stay as they are in
  /// memory and are expanded piece by piece on the way into each product; the vectors are the same.
  bool expand_quantized = false;
  /// Called after each operation, by several workers at once; nothing is measured while this is empty.
  std::function<void(const OperationTime&)> on_operation = {};
  /// Where names are looked for and how they are downloaded: the model's, an adapter's and that of an adapter's base.
  HubOptions hub = {};
  /// Told of each step of a load as it begins: download, register, validate, import, initialise, return.
  std::function<void(std::string_view)> on_step = {};
};

/// What the texts of a call are; it picks their prompt where neither a prompt nor a name is given, as encode_query and
/// encode_document of sentence-transformers do: "query", or the first of "document", "passage" and "corpus" that the
/// model has. Without such a prompt there is none: the default one is for texts of no role.
enum class Role {
  kNone,
  kQuery,
  kDocument,
};

/// What to do with a text of more tokens than the limit.
enum class Overflow {
  kTruncate,  ///< keep the first tokens (special tokens stay) and say so in the report
  kError,     ///< throw Error{kTooLong} naming the text's index and its token count
};

enum class Normalize {
  kAlways,    ///< unit vectors, whatever the checkpoint declares
  kDeclared,  ///< only if the checkpoint has a Normalize module (as sentence-transformers does)
  kNever,
};

struct Progress {
  std::size_t done = 0;  ///< texts
  std::size_t total = 0;
  std::size_t tokens = 0;  ///< tokens of the texts that are done
};

struct EmbedOptions {
  Role role = Role::kNone;
  /// One of ModelInfo::prompt_names; "document", "passage" and "corpus" stand for each other where only one is there.
  std::optional<std::string> prompt_name = {};
  std::optional<std::string> prompt = {};  ///< put before every text as it is; wins over prompt_name
  std::vector<std::string> prompts = {};   ///< put before the texts, one for each; wins over all of the above
  std::optional<int> dimensions = {};      ///< keep the first N dimensions (Matryoshka), before normalising
  std::optional<int> max_length = {};      ///< tokens with special ones; at most the model's positions
  Normalize normalize = Normalize::kAlways;
  Overflow on_overflow = Overflow::kTruncate;
  std::size_t batch_tokens = 0;  ///< tokens in one micro-batch; 0: chosen by the backend. Never changes a result
  /// Called now and then, even with nothing new, by one thread at a time; false cancels the call: Error{kCancelled}.
  std::function<bool(const Progress&)> on_progress = {};
};

/// How texts go through the model, whatever is wanted of them.
struct RunOptions {
  std::optional<int> max_length = {};  ///< tokens with special ones; at most the model's positions
  Overflow on_overflow = Overflow::kTruncate;
  std::size_t batch_tokens = 0;  ///< tokens in one micro-batch; 0: chosen by the backend. Never changes a result
  /// Called now and then, even with nothing new, by one thread at a time; false cancels the call: Error{kCancelled}.
  std::function<bool(const Progress&)> on_progress = {};
};

/// How texts become tokens.
struct TokenizeOptions : RunOptions {
  TokenizeOptions() = default;
  TokenizeOptions(const RunOptions& run) : RunOptions(run) {}  // implicit: what holds of a run holds here

  bool truncate = true;            ///< false: all tokens of a text, however many the model takes
  bool add_special_tokens = true;  ///< what tokenizer.json puts around a text
};

/// Two texts that the model reads as one sequence: a query and a document, a premise and a hypothesis.
using TextPair = std::pair<std::string_view, std::string_view>;

/// One input as token ids, special ones included, maybe padded on one side or both. Views, borrowed during a call.
struct TokenRow {
  std::span<const std::int32_t> ids = {};
  /// 1: a token, 0: padding, which is taken off; empty: every id is a token. The tokens stand together.
  std::span<const std::int32_t> mask = {};
  std::span<const std::int32_t> type_ids = {};  ///< one for each id; empty: all 0
};

enum class ScoreKind {
  kDeclared,  ///< through the function that the checkpoint declares (ModelInfo::score_function)
  kRaw,       ///< the model's logits as they are
};

struct RerankOptions : RunOptions {
  std::optional<std::size_t> top_k = {};  ///< of rerank(): only the best ones
  std::optional<std::string> instruction =
      {};  ///< what "relevant" means; only for decoders (Qwen3-Reranker, jina-reranker-v3)
  ScoreKind scores = ScoreKind::kDeclared;
};

struct ClassifyOptions : RunOptions {
  ScoreKind scores = ScoreKind::kDeclared;
};

/// How the labels of tokens become spans.
enum class Aggregation {
  kAuto,    ///< kBioes where the labels are written so, else kSimple
  kNone,    ///< one span for each token
  kSimple,  ///< neighbours of one label, B- begins a new span (as `simple` of transformers)
  kBioes,   ///< the likeliest sequence in which each span is B- I- ... E-, or one S-
};

struct TokenClassifyOptions : RunOptions {
  Aggregation aggregation = Aggregation::kAuto;
  std::vector<std::string> ignored_labels = {"O"};  ///< spans of these are left out
};

struct FillMaskOptions : RunOptions {
  std::size_t top_k = 5;  ///< words for each mask
};

struct SparseOptions : RunOptions {
  Role role = Role::kNone;                      ///< chooses the prompt of that name, as in EmbedOptions
  std::optional<std::string> prompt_name = {};  ///< a prompt of config_sentence_transformers.json
  std::optional<std::string> prompt = {};       ///< put before every text as it is; wins over prompt_name
  std::optional<std::size_t> max_active = {};   ///< keep the N largest weights
};

}  // namespace mlxe
