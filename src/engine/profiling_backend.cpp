// A backend that tells how long each operation took; made only when somebody wants to know.
#include "engine/profiling_backend.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace mlxe {
namespace {

using Report = std::function<void(const OperationTime&)>;

/// Two operations for each multiply-add of the two products, over the pairs of tokens that attend to each other.
/// Keys that the tokens of a row see.
std::vector<double> keys_of_tokens(const PackedBatch& batch, const AttentionSpec& spec) {
  std::vector<double> keys_of_token;
  for (std::size_t row = 0; row + 1 < batch.offsets.size(); ++row) {
    const std::int64_t length = batch.offsets[row + 1] - batch.offsets[row];
    const std::int64_t keys =
        batch.key_lengths.empty() ? length : std::min<std::int64_t>(length, batch.key_lengths[row]);
    for (std::int64_t i = 0; i < length; ++i) {
      const std::int64_t first = std::max<std::int64_t>(0, i - spec.left_window);
      const std::int64_t end = std::min<std::int64_t>(keys, i + spec.right_window + 1);
      keys_of_token.push_back(static_cast<double>(std::max<std::int64_t>(0, end - first)));
    }
  }
  return keys_of_token;
}

double attention_operations(const PackedBatch& batch, const AttentionSpec& spec, const TokenChoice& wanted) {
  const std::vector<double> keys = keys_of_tokens(batch, spec);
  double pairs = 0;
  if (wanted) {
    for (const std::int32_t token : *wanted) {
      pairs += keys[static_cast<std::size_t>(token)];
    }
  } else {
    pairs = std::accumulate(keys.begin(), keys.end(), 0.0);
  }
  return 4.0 * pairs * spec.num_heads * spec.head_dim;
}

double product_operations(const Tensor& x, const LinearWeight& weight) {
  return 2.0 * x.rows() * weight.in_features * weight.out_features;
}

std::string product_name(const char* name, const LinearWeight& weight) {
  return fmt::format("{} {} -> {}", name, weight.in_features, weight.out_features);
}

class ProfilingOps final : public Ops {
 public:
  ProfilingOps(Ops& ops, const Report& report) : ops_(ops), report_(report) {}

  void set_checkpoint(std::function<void()> checkpoint) override { ops_.set_checkpoint(std::move(checkpoint)); }
  Tensor gather_sum(std::span<const Lookup> lookups) override {
    return timed("gather_sum", 0, [&] { return ops_.gather_sum(lookups); });
  }
  Tensor linear(const Tensor& x, const LinearWeight& weight, Activation activation, const Tensor& residual) override {
    return timed(product_name("linear", weight), product_operations(x, weight),
                 [&] { return ops_.linear(x, weight, activation, residual); });
  }
  Tensor gated_linear(const Tensor& x, const LinearWeight& weight, const Gate& gate) override {
    return timed(product_name("gated_linear", weight), product_operations(x, weight),
                 [&] { return ops_.gated_linear(x, weight, gate); });
  }
  Tensor linear_for(const LinearWeight& reader, const Tensor& x, const LinearWeight& weight,
                    Activation activation) override {
    return timed(product_name("linear", weight), product_operations(x, weight),
                 [&] { return ops_.linear_for(reader, x, weight, activation); });
  }
  Tensor gated_linear_for(const LinearWeight& reader, const Tensor& x, const LinearWeight& weight,
                          const Gate& gate) override {
    return timed(product_name("gated_linear", weight), product_operations(x, weight),
                 [&] { return ops_.gated_linear_for(reader, x, weight, gate); });
  }
  Tensor layer_norm(const Tensor& x, const NormWeight& norm, float eps) override {
    return timed("layer_norm", 0, [&] { return ops_.layer_norm(x, norm, eps); });
  }
  Tensor rms_norm(const Tensor& x, const NormWeight& norm, float eps) override {
    return timed("rms_norm", 0, [&] { return ops_.rms_norm(x, norm, eps); });
  }
  Tensor columns(const Tensor& x, int begin, int count) override {
    return timed("columns", 0, [&] { return ops_.columns(x, begin, count); });
  }
  Tensor rotary_table(std::span<const std::int32_t> positions, std::span<const float> inverse_frequencies,
                      float scale) override {
    return timed("rotary_table", 0, [&] { return ops_.rotary_table(positions, inverse_frequencies, scale); });
  }
  Tensor rope(const Tensor& x, const Tensor& table, int head_dim, RopePairs pairs) override {
    return timed("rope", 0, [&] { return ops_.rope(x, table, head_dim, pairs); });
  }
  Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const PackedBatch& batch,
                   const AttentionSpec& spec, const TokenChoice& wanted) override {
    return timed("attention", attention_operations(batch, spec, wanted),
                 [&] { return ops_.attention(q, k, v, batch, spec, wanted); });
  }
  Tensor short_conv(const Tensor& x, const ConvWeight& weight, const PackedBatch& batch, ConvPadding padding) override {
    return timed("short_conv", 0, [&] { return ops_.short_conv(x, weight, batch, padding); });
  }
  Tensor add(const Tensor& a, const Tensor& b) override {
    return timed("add", 0, [&] { return ops_.add(a, b); });
  }
  Tensor multiply(const Tensor& a, const Tensor& b) override {
    return timed("multiply", 0, [&] { return ops_.multiply(a, b); });
  }
  Tensor scale(const Tensor& x, float factor) override {
    return timed("scale", 0, [&] { return ops_.scale(x, factor); });
  }
  Tensor take_rows(const Tensor& x, std::span<const std::int32_t> rows) override {
    return timed("take_rows", 0, [&] { return ops_.take_rows(x, rows); });
  }
  Tensor add_rows(Tensor base, const Tensor& x, std::span<const std::int32_t> rows,
                  std::span<const float> factors) override {
    return timed("add_rows", 0, [&] { return ops_.add_rows(std::move(base), x, rows, factors); });
  }
  Tensor pool(const Tensor& x, const PackedBatch& batch, PoolingMode mode,
              std::span<const std::int32_t> first_token) override {
    return timed("pool", 0, [&] { return ops_.pool(x, batch, mode, first_token); });
  }
  Tensor concat_columns(std::span<const Tensor> parts) override {
    return timed("concat_columns", 0, [&] { return ops_.concat_columns(parts); });
  }
  Tensor l2_normalize(const Tensor& x) override {
    return timed("l2_normalize", 0, [&] { return ops_.l2_normalize(x); });
  }
  void read(const Tensor& x, std::span<float> out) override {
    timed("read", 0, [&] {
      ops_.read(x, out);
      return Tensor();
    });
  }

 private:
  template <class Work>
  Tensor timed(std::string name, double operations, const Work& work) {
    const auto start = std::chrono::steady_clock::now();
    Tensor result = work();
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    report_({.name = std::move(name), .seconds = time.count(), .operations = operations});
    return result;
  }

  Ops& ops_;
  const Report& report_;
};

class ProfilingBackend final : public Backend {
 public:
  ProfilingBackend(std::unique_ptr<Backend> backend, Report report)
      : backend_(std::move(backend)), report_(std::move(report)) {}

  BackendInfo info() const override { return backend_->info(); }
  LinearWeight linear_weight(std::span<const LinearPart> parts) override { return backend_->linear_weight(parts); }
  EmbeddingTable embedding_table(const HostTensor& weight) override { return backend_->embedding_table(weight); }
  PositionTable position_table(const HostTensor& weight, int num_heads, Compared compared) override {
    return backend_->position_table(weight, num_heads, compared);
  }
  NormWeight norm_weight(const HostTensor& weight, const std::optional<HostTensor>& bias, float scale_offset) override {
    return backend_->norm_weight(weight, bias, scale_offset);
  }
  ConvWeight conv_weight(const HostTensor& weight, const std::optional<HostTensor>& bias) override {
    return backend_->conv_weight(weight, bias);
  }
  void run(std::size_t num_tasks, const std::function<void(Ops&, std::size_t)>& task) override {
    backend_->run(num_tasks, [&](Ops& ops, std::size_t index) {
      ProfilingOps profiling(ops, report_);
      task(profiling, index);
    });
  }

 private:
  std::unique_ptr<Backend> backend_;
  Report report_;
};

}  // namespace

std::unique_ptr<Backend> make_profiling_backend(std::unique_ptr<Backend> backend, Report report) {
  return std::make_unique<ProfilingBackend>(std::move(backend), std::move(report));
}

}  // namespace mlxe
