// Pieces of tensors: converted in parallel, written in order.
#include "convert/write_weights.h"

#include <algorithm>
#include <future>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/files.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/utf8.h"
#include "convert/cast.h"
#include "convert/parallel.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

constexpr std::size_t kPieceElements = std::size_t{1} << 20U;  // a multiple of every group
constexpr std::size_t kBatchBytes = std::size_t{32} << 20U;    // read for one round of the threads
constexpr std::string_view kWeight = ".weight";

/// What collects over the pieces of one tensor.
struct TensorState {
  HostTensor decoded;  ///< float32, of a tensor that another library packed
  std::vector<std::byte> scales;
  std::vector<std::byte> biases;
  QuantizationError error;
  std::size_t overflows = 0;
};

/// A part of a tensor: elements, rows of a packed one, or bytes that are copied.
struct Piece {
  std::size_t tensor = 0;  ///< of the plan
  std::size_t first = 0;
  std::size_t count = 0;
  bool last = false;
  std::vector<std::byte> data = {};
  QuantizationError error = {};
  std::size_t overflows = 0;
};

std::string shard_name(std::size_t shard, std::size_t num_shards) {
  return num_shards == 1 ? std::string("model.safetensors")
                         : fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, num_shards);
}

/// The length and the text in front of a file's data, padded to whole words.
std::string header_of(const std::vector<PlannedTensor>& tensors, const std::vector<std::size_t>& shards,
                      std::size_t shard) {
  Json header = {{"__metadata__", {{"format", "mlx"}}}};
  std::size_t offset = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (shards[i] != shard) {
      continue;
    }
    for (const OutputTensor& output : outputs_of(tensors[i])) {
      header[output.name] = {
          {"dtype", output.dtype}, {"shape", output.shape}, {"data_offsets", {offset, offset + output.bytes}}};
      offset += output.bytes;
    }
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  std::string bytes;
  for (unsigned shift = 0; shift < 64; shift += 8) {
    bytes += static_cast<char>((text.size() >> shift) & 0xFFU);
  }
  return bytes + text;
}

std::string_view text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class WeightWriter {
 public:
  WeightWriter(const ConversionPlan& plan, std::filesystem::path folder, const WriteOptions& options)
      : plan_(plan),
        folder_(std::move(folder)),
        options_(options),
        shards_(assign_shards(plan.tensors, options.max_shard_bytes)),
        num_shards_(shards_.empty() ? 1 : shards_.back() + 1),
        states_(plan.tensors.size()) {}

  WrittenWeights write() {
    std::future<void> writing;
    std::size_t done = 0;
    while (std::optional<std::vector<Piece>> batch = next_batch()) {
      run_parallel(batch->size(), options_.threads, [&](std::size_t i) { convert((*batch)[i]); });
      // The batch before this one was written meanwhile; two of them are in memory.
      if (writing.valid()) {
        writing.get();
      }
      done += release(*batch);
      if (options_.on_progress) {
        options_.on_progress(done);
      }
      writing = std::async(std::launch::async, [this, pieces = std::move(*batch)]() mutable { append(pieces); });
    }
    if (writing.valid()) {
      writing.get();
    }
    if (plan_.tensors.empty()) {
      open_shard(0);
    }
    close_shard();
    write_index();
    return std::move(result_);
  }

 private:
  [[nodiscard]] std::size_t units_of(const PlannedTensor& planned) const {
    switch (planned.action) {
      case TensorAction::kCopy: return planned.bytes.size();
      case TensorAction::kDequantize: return num_elements(planned.packed.shape) / row_size(planned);
      default: return num_elements(planned.stored.tensor.shape);
    }
  }

  [[nodiscard]] static std::size_t row_size(const PlannedTensor& planned) {
    return static_cast<std::size_t>(planned.packed.shape.back());
  }

  [[nodiscard]] std::size_t piece_units(const PlannedTensor& planned) const {
    switch (planned.action) {
      case TensorAction::kCopy: return kPieceElements * sizeof(float);
      case TensorAction::kDequantize: return std::max<std::size_t>(1, kPieceElements / row_size(planned));
      default: return kPieceElements;
    }
  }

  std::optional<std::vector<Piece>> next_batch() {
    std::vector<Piece> batch;
    std::size_t bytes = 0;
    while (tensor_ < plan_.tensors.size() && bytes < kBatchBytes) {
      const PlannedTensor& planned = plan_.tensors[tensor_];
      const std::size_t total = units_of(planned);
      const std::size_t count = std::min(piece_units(planned), total - unit_);
      if (unit_ == 0) {
        prepare(planned, states_[tensor_]);
      }
      batch.push_back({.tensor = tensor_, .first = unit_, .count = count, .last = unit_ + count == total});
      bytes +=
          total == 0 ? 0 : planned.source_bytes / std::max<std::size_t>(1, total / std::max<std::size_t>(1, count));
      unit_ += count;
      if (unit_ == total) {
        ++tensor_;
        unit_ = 0;
      }
    }
    return batch.empty() ? std::nullopt : std::optional(std::move(batch));
  }

  static void prepare(const PlannedTensor& planned, TensorState& state) {
    if (planned.stored.decode) {
      state.decoded = planned.stored.decode();
      state.decoded = state.decoded.quantization ? expand(state.decoded) : state.decoded;
    }
    if (planned.action != TensorAction::kQuantize) {
      return;
    }
    const std::vector<OutputTensor> outputs = outputs_of(planned);
    state.scales.resize(outputs[1].bytes);
    state.biases.resize(outputs.size() > 2 ? outputs[2].bytes : 0);
  }

  void convert(Piece& piece) {
    const PlannedTensor& planned = plan_.tensors[piece.tensor];
    const HostTensor& source = planned.stored.decode ? states_[piece.tensor].decoded : planned.stored.tensor;
    switch (planned.action) {
      case TensorAction::kCopy: {
        const auto bytes = planned.bytes.subspan(piece.first, piece.count);
        piece.data.assign(bytes.begin(), bytes.end());
        return;
      }
      case TensorAction::kCast:
        piece.data.resize(piece.count * size_bytes(planned.dtype));
        piece.overflows = cast(source.dtype, source.data + piece.first * size_bytes(source.dtype), piece.count,
                               planned.dtype, piece.data.data());
        return;
      case TensorAction::kDequantize:
        piece.data.resize(piece.count * row_size(planned) * size_bytes(planned.dtype));
        dequantize_as(planned.dtype, planned.packed, piece.first, piece.count, piece.data.data());
        return;
      case TensorAction::kQuantize: quantize_piece(planned, piece); return;
    }
  }

  void quantize_piece(const PlannedTensor& planned, Piece& piece) {
    const HostTensor& source = planned.stored.tensor;
    TensorState& state = states_[piece.tensor];
    const std::byte* elements = source.data + piece.first * size_bytes(source.dtype);
    std::vector<std::byte> narrowed;
    if (planned.dtype != source.dtype) {
      narrowed.resize(piece.count * size_bytes(planned.dtype));
      piece.overflows = cast(source.dtype, elements, piece.count, planned.dtype, narrowed.data());
      elements = narrowed.data();
    }
    const std::size_t group = piece.first / static_cast<std::size_t>(planned.format.group_size);
    const std::size_t side_bytes = planned.format.mode == QuantizationMode::kAffine ? size_bytes(planned.dtype) : 1;
    piece.data.resize(piece.count * static_cast<std::size_t>(planned.format.bits) / 8);
    piece.error = quantize(planned.dtype, elements, piece.count, planned.format,
                           {.codes = piece.data.data(),
                            .scales = state.scales.data() + group * side_bytes,
                            .biases = state.biases.empty() ? nullptr : state.biases.data() + group * side_bytes});
  }

  /// Gives the pages of the checkpoint back that the pieces were read from.
  /// \returns their bytes
  std::size_t release(const std::vector<Piece>& batch) const {
    std::size_t bytes = 0;
    for (const Piece& piece : batch) {
      const PlannedTensor& planned = plan_.tensors[piece.tensor];
      if (piece.last) {
        bytes += planned.source_bytes;
      }
      const HostTensor& source = planned.stored.tensor;
      if (source.file != nullptr) {
        const std::size_t total = std::max<std::size_t>(1, units_of(planned));
        const std::size_t unit_bytes = planned.bytes.size() / total;
        source.file->release_pages(planned.bytes.data() + piece.first * unit_bytes, piece.count * unit_bytes);
      }
    }
    return bytes;
  }

  void append(std::vector<Piece>& batch) {
    for (Piece& piece : batch) {
      const std::size_t shard = shards_[piece.tensor];
      if (!file_ || shard != shard_) {
        close_shard();
        open_shard(shard);
      }
      TensorState& state = states_[piece.tensor];
      put(piece.data);
      piece.data = {};
      state.error += piece.error;
      state.overflows += piece.overflows;
      if (piece.last) {
        put(state.scales);
        put(state.biases);
        finish_tensor(plan_.tensors[piece.tensor], state);
        state = {};
      }
    }
  }

  void put(const std::vector<std::byte>& bytes) {
    file_->write(text_of(bytes));
    bytes_ += bytes.size();
    result_.tensor_bytes += bytes.size();
  }

  void finish_tensor(const PlannedTensor& planned, const TensorState& state) {
    if (state.overflows > 0) {
      result_.overflowing.push_back(planned.name);
    }
    if (planned.action != TensorAction::kQuantize) {
      return;
    }
    const std::string path = planned.name.substr(0, planned.name.size() - kWeight.size());
    if (!state.error.sound) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("weight '{}' holds infinity, NaN or numbers too far from one to be quantised as {}{}",
                              printable(planned.name, 120), to_string(planned.format),
                              state.overflows > 0 ? fmt::format(": {} numbers are too large for {}", state.overflows,
                                                                to_string(planned.dtype))
                                                  : std::string()));
    }
    result_.layers.push_back({.path = path,
                              .format = planned.format,
                              .num_parameters = num_elements(planned.stored.tensor.shape),
                              .error = state.error});
  }

  void open_shard(std::size_t shard) {
    shard_ = shard;
    file_.emplace(folder_ / shard_name(shard, num_shards_));
    const std::string header = header_of(plan_.tensors, shards_, shard);
    file_->write(header);
    bytes_ = header.size();
  }

  void close_shard() {
    if (!file_) {
      return;
    }
    file_->commit();
    file_.reset();
    const std::string name = shard_name(shard_, num_shards_);
    result_.files.push_back({.name = name, .bytes = bytes_, .sha256 = sha256_hex(MappedFile(folder_ / name).bytes())});
  }

  void write_index() {
    Json weight_map = Json::object();
    for (std::size_t i = 0; i < plan_.tensors.size(); ++i) {
      for (const OutputTensor& output : outputs_of(plan_.tensors[i])) {
        weight_map[output.name] = shard_name(shards_[i], num_shards_);
      }
    }
    const Json index = {{"metadata", {{"total_size", result_.tensor_bytes}}}, {"weight_map", weight_map}};
    AtomicFile file(folder_ / "model.safetensors.index.json");
    file.write(index.dump(4) + "\n");
    file.commit();
  }

  const ConversionPlan& plan_;
  const std::filesystem::path folder_;
  const WriteOptions& options_;
  const std::vector<std::size_t> shards_;  // of each tensor
  const std::size_t num_shards_;
  std::vector<TensorState> states_;
  std::size_t tensor_ = 0;  // where the next batch begins
  std::size_t unit_ = 0;
  std::optional<AtomicFile> file_;  // these and the result belong to the writing thread while there is one
  std::size_t shard_ = 0;
  std::size_t bytes_ = 0;
  WrittenWeights result_;
};

}  // namespace

WrittenWeights write_weights(const ConversionPlan& plan, const std::filesystem::path& folder,
                             const WriteOptions& options) {
  return WeightWriter(plan, folder, options).write();
}

}  // namespace mlxe
