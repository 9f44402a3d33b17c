// convert_model(): options, the way through the parts of convert/, and what is measured of the result.
#include "mlxe/convert.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/available_threads.h"
#include "base/files.h"
#include "base/json.h"
#include "base/utf8.h"
#include "convert/config_file.h"
#include "convert/model_card.h"
#include "convert/model_files.h"
#include "convert/plan.h"
#include "convert/recipes.h"
#include "convert/staged_folder.h"
#include "convert/write_weights.h"
#include "engine/bit_budget.h"
#include "engine/conversion_request.h"
#include "engine/vector_drift.h"
#include "hub/families.h"
#include "hub/model_name.h"
#include "hub/resolve.h"
#include "weights/checkpoint_files.h"
#include "weights/lora.h"
#include "weights/quantization_method.h"

namespace mlxe {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxCardBytes = std::size_t{16} << 20U;

class Conversion {
 public:
  Conversion(const std::string& model, const ConvertOptions& options)
      : options_(options), request_(checked_request(options)), staged_(options.mlx_path, options.overwrite) {
    folder_ = resolve_model(model, options.hub);
    if (!fs::is_directory(folder_)) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("'{}' is a file, wanted a model's folder with safetensors", folder_.string()));
    }
    from_hub_ = !fs::exists(model);
    name_ = from_hub_ ? canonical_model_name(parse_model_name(model).repository)
                      : fs::absolute(folder_).lexically_normal().filename().string();
    check_places();
    say("Loading");
    if (has_adapter(folder_)) {
      throw Error(
          ErrorCode::kUnsupported,
          fmt::format("'{}' is an adapter or has one; wanted a model without, merge it first", folder_.string()));
    }
    files_ = find_model_files(folder_);
    part_ = transformer_part(files_, folder_);
    checkpoint_ = read_checkpoint(folder_ / part_);
    const fs::path config_path = folder_ / part_ / "config.json";
    if (const std::optional<Json> config = load_json_if_present(config_path)) {
      config_ = JsonFields(*config, config_path.string());
      if (const CheckpointTranslator translate = translator_of(*config_)) {
        translate(checkpoint_);
      }
      quantization_ = QuantizationConfig::parse(*config_);
    }
    settle_dtype();
  }

  ConversionReport run() {
    say(options_.quantize ? "Quantizing" : options_.dequantize ? "Dequantizing" : "Converting");
    copy_files(files_, folder_, staged_.folder());
    prepare_chooser();
    const ConversionPlan plan = plan_conversion(checkpoint_, quantization_, plan_options(chooser_));
    for (const std::string& message : plan.messages) {
      say(message);
    }
    report_.skipped = plan.skipped;
    check_space(plan);
    write_model(plan);
    write_parts();
    if (options_.quantize && written_.layers.empty()) {
      warn("no layer was quantised");
    }
    if (options_.measure || options_.error_budget) {
      note_drift(measure());
    }
    fill_report();
    write_card();
    write_report();
    staged_.publish();
    return std::move(report_);
  }

 private:
  using Chooser = std::function<std::optional<QuantizationFormat>(std::string_view)>;

  void say(const std::string& text) const {
    if (options_.on_message) {
      options_.on_message(Severity::kInfo, text);
    }
  }
  void warn(const std::string& text) const {
    if (options_.on_message) {
      options_.on_message(Severity::kWarning, text);
    }
  }

  /// The new folder may replace another one, but never the model that is read or something around it.
  void check_places() const {
    const fs::path source = fs::weakly_canonical(folder_);
    const fs::path target = fs::weakly_canonical(staged_.path());
    const auto holds = [](const fs::path& outer, const fs::path& inner) {
      return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
    };
    if (holds(target, source) || holds(source, target)) {
      throw Error(ErrorCode::kInvalidInput, fmt::format("the new folder '{}' and the model's '{}' lie in one another",
                                                        target.string(), source.string()));
    }
  }

  void settle_dtype() {
    const bool is_packed =
        std::ranges::any_of(checkpoint_, [](const auto& entry) { return entry.first.ends_with(".scales"); });
    const std::string type = config_ ? config_->text("model_type", "") : std::string();
    const bool beyond = activations_overflow_float16(type);
    dtype_ = request_.dtype;
    if (!dtype_ && beyond) {
      warn(
          fmt::format("the activations of {} overflow float16, so the checkpoint's types are kept; --dtype float16 "
                      "forces it",
                      type));
    } else if (beyond && dtype_ == DType::kFloat16) {
      warn(fmt::format("the activations of {} overflow float16", type));
    } else if (!dtype_ && !(is_packed && !options_.dequantize)) {
      dtype_ = DType::kFloat16;
    }
    report_.dtype = dtype_ ? std::string(to_string(*dtype_)) : "mixed";
    if (dtype_) {
      say(fmt::format("Using dtype: {}", report_.dtype));
    }
  }

  [[nodiscard]] PlanOptions plan_options(const Chooser& chooser) const {
    PlanOptions options{.dtype = dtype_, .dequantize = options_.dequantize};
    if (options_.quantize) {
      options.quantize = [this, chooser](std::string_view path) -> std::optional<QuantizationFormat> {
        const bool is_vision =
            path.find("vision_model") != std::string_view::npos || path.find("vision_tower") != std::string_view::npos;
        return options_.skip_vision && is_vision ? std::nullopt : chooser(path);
      };
    }
    return options;
  }

  [[nodiscard]] int threads() const { return options_.threads > 0 ? options_.threads : available_threads(); }

  void prepare_chooser() {
    if (!options_.quantize) {
      return;
    }
    if (!config_) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("'{}' has no config.json that could say how it is quantised", folder_.string()));
    }
    chooser_ = [format = *request_.format](std::string_view) { return std::optional(format); };
    if (options_.recipe) {
      std::vector<std::string> paths;
      for (const auto& [name, stored] : checkpoint_) {
        if (const std::optional<std::string_view> path = layer_path(name, stored)) {
          paths.emplace_back(*path);
        }
      }
      chooser_ = mixed_recipe(*options_.recipe, request_.format->group_size, paths,
                              config_->integer("num_hidden_layers", 1, 10'000));
    } else if (options_.error_budget) {
      chooser_ = chooser_of(search_bits());
    }
  }

  [[nodiscard]] Chooser chooser_of(BitChoice bits) const {
    return [bits = std::move(bits),
            group_size = request_.format->group_size](std::string_view path) -> std::optional<QuantizationFormat> {
      const auto found = bits.find(path);
      if (found == bits.end() || found->second == kUnquantizedBits) {
        return std::nullopt;
      }
      return QuantizationFormat{QuantizationMode::kAffine, found->second, group_size};
    };
  }

  BitChoice search_bits() {
    // Planned once as if all were quantised, for the layers and what is said of those that cannot be.
    const Chooser all = [format = *request_.format](std::string_view) { return std::optional(format); };
    std::vector<BudgetLayer> layers;
    const ConversionPlan everything = plan_conversion(checkpoint_, quantization_, plan_options(all));
    for (const PlannedTensor& planned : everything.tensors) {
      if (planned.action == TensorAction::kQuantize) {
        layers.push_back(
            {std::string(*layer_path(planned.name, planned.stored)), planned.stored.tensor, planned.dtype});
      }
    }
    write_parts();
    BudgetSearch search{.least_cosine = *options_.error_budget,
                        .group_size = request_.format->group_size,
                        .threads = threads(),
                        .measure = {},
                        .say = [this](const std::string& text) { say(text); }};
    search.measure = [this](const BitChoice& bits) {
      const ConversionPlan plan = plan_conversion(checkpoint_, quantization_, plan_options(chooser_of(bits)));
      write_model(plan);
      return measure();
    };
    return choose_bits(layers, search);
  }

  void check_space(const ConversionPlan& plan) const {
    std::size_t bytes = files_.copied_bytes;
    for (const PlannedTensor& planned : plan.tensors) {
      for (const OutputTensor& output : outputs_of(planned)) {
        bytes += output.bytes;
      }
    }
    require_space(staged_.folder(), bytes);
  }

  [[nodiscard]] WriteOptions write_options() const {
    WriteOptions options{.max_shard_bytes = options_.max_shard_bytes, .threads = threads()};
    if (options_.on_progress) {
      const std::size_t total = source_bytes();
      options.on_progress = [this, total](std::size_t done) {
        if (!options_.on_progress({.done_bytes = done, .total_bytes = total})) {
          throw Error(ErrorCode::kCancelled, "the conversion was stopped");
        }
      };
    }
    return options;
  }

  [[nodiscard]] std::size_t source_bytes() const {
    std::size_t bytes = 0;
    for (const auto& [name, stored] : checkpoint_) {
      bytes += stored.decode ? stored.packed_bytes : data_bytes(stored.tensor);
    }
    return bytes;
  }

  /// The transformer's weights and config.json.
  void write_model(const ConversionPlan& plan) {
    const fs::path target = staged_.folder() / part_;
    fs::create_directories(target);
    written_ = write_weights(plan, target, write_options());
    note_.reset();
    if (config_) {
      std::vector<FormattedLayer> layers;
      for (const WrittenLayer& layer : written_.layers) {
        layers.push_back({layer.path, layer.format, layer.num_parameters});
      }
      note_ = note_of(layers);
      const bool keeps = !options_.quantize && !options_.dequantize;
      const Json config = converted_config(config_->json(), note_, keeps, options_.skip_vision);
      write_text(target / "config.json", config.dump(4) + "\n");
    }
  }

  /// Weights of other modules: cast, never quantised, as no loader looks for codes there.
  void write_parts() {
    part_files_.clear();
    for (const fs::path& part : files_.weighted) {
      if (part == part_) {
        continue;
      }
      const auto tensors = read_checkpoint(folder_ / part);
      const ConversionPlan plan = plan_conversion(tensors, {}, {.dtype = dtype_});
      fs::create_directories(staged_.folder() / part);
      WrittenWeights written = write_weights(plan, staged_.folder() / part, {.threads = threads()});
      fs::remove(staged_.folder() / part / "model.safetensors.index.json");
      for (WrittenFile& file : written.files) {
        file.name = (part / file.name).string();
        part_files_.push_back(file);
      }
    }
  }

  VectorDrift measure() {
    const std::vector<std::string>& texts = this->texts();
    if (!before_) {
      before_ = vectors_of(folder_, texts, threads());
    }
    return drift_between(*before_, vectors_of(staged_.folder(), texts, threads()));
  }

  const std::vector<std::string>& texts() {
    if (texts_.empty()) {
      texts_ = options_.calibration_texts.empty() ? built_in_texts() : options_.calibration_texts;
    }
    return texts_;
  }

  void note_drift(const VectorDrift& drift) {
    report_.num_texts = texts_.size();
    report_.min_cosine = drift.min_cosine;
    report_.mean_cosine = drift.mean_cosine;
  }

  void fill_report() {
    report_.source = folder_.string();
    report_.path = staged_.path().string();
    report_.source_bytes = source_bytes();
    report_.bytes = written_.tensor_bytes;
    std::size_t parameters = 0;
    for (const auto& [name, stored] : checkpoint_) {
      parameters += stored.supported && is_float(stored.tensor.dtype) ? num_elements(stored.tensor.shape) : 0;
    }
    if (!options_.dequantize && parameters > 0) {
      report_.bits_per_weight = 8.0 * static_cast<double>(written_.tensor_bytes) / static_cast<double>(parameters);
    }
    for (const WrittenLayer& layer : written_.layers) {
      report_.layers.push_back({.path = layer.path,
                                .bits = layer.format.bits,
                                .group_size = layer.format.group_size,
                                .mode = std::string(to_string(layer.format.mode)),
                                .num_parameters = layer.num_parameters,
                                .relative_error = layer.error.relative(),
                                .largest_error = layer.error.largest_error});
    }
    for (const std::string& name : written_.overflowing) {
      warn(fmt::format("'{}' has numbers that {} cannot hold: they are infinite now", printable(name, 120),
                       report_.dtype));
    }
  }

  [[nodiscard]] std::string description() const {
    if (!note_) {
      return dtype_ ? std::string(to_string(*dtype_)) : "the checkpoint's types";
    }
    const std::string mixed = note_->layers.empty() ? "" : fmt::format(", {} layers otherwise", note_->layers.size());
    return to_string(note_->format) + mixed;
  }

  void write_card() const {
    const fs::path source = folder_ / "README.md";
    ModelCard card{.source = name_,
                   .from_hub = from_hub_,
                   .name = staged_.path().filename().string(),
                   .command = options_.command,
                   .description = description(),
                   .files = {}};
    for (WrittenFile file : written_.files) {
      file.name = (part_ / file.name).string();
      card.files.push_back(std::move(file));
    }
    card.files.insert(card.files.end(), part_files_.begin(), part_files_.end());
    write_text(staged_.folder() / "README.md",
               model_card_text(card, fs::exists(source) ? read_file(source, kMaxCardBytes) : std::string()));
  }

  void write_report() const {
    if (!report_.layers.empty() || report_.min_cosine) {
      write_text(staged_.folder() / "quantization_report.json", report_text(report_, name_));
    }
  }

  const ConvertOptions& options_;
  const ConversionRequest request_;
  StagedFolder staged_;
  fs::path folder_;
  std::string name_;
  bool from_hub_ = false;
  ModelFiles files_;
  fs::path part_;  // of the folder: where the transformer's weights lie
  std::map<std::string, StoredTensor> checkpoint_;
  std::optional<JsonFields> config_;
  QuantizationConfig quantization_;
  std::optional<DType> dtype_;  // unset: the checkpoint's own
  Chooser chooser_;
  WrittenWeights written_;
  std::vector<WrittenFile> part_files_;
  std::optional<QuantizationNote> note_;
  std::vector<std::string> texts_;
  std::optional<Embeddings> before_;
  ConversionReport report_;
};

}  // namespace

ConversionReport convert_model(const std::string& model, const ConvertOptions& options) {
  return Conversion(model, options).run();
}

}  // namespace mlxe
