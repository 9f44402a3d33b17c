// The decoder layer against the same operations one by one.
#include "nn/decoder.h"

#include <array>
#include <cmath>

#include <gmock/gmock.h>

#include "nn/positions.h"
#include "support/scalar_tensors.h"

namespace mlxe {
namespace {

using testing::values_of;

// Two heads of 4 that share one head of keys, hidden 6, inner 3; values of a sine, so that no two are equal.
struct Parts {
  testing::ScalarBackend backend;
  testing::ScalarOps ops;
  std::vector<std::vector<float>> kept;

  HostTensor values(Shape shape) {
    std::vector<float> numbers(num_elements(shape));
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      numbers[i] = std::sin(static_cast<float>(i * i) * 0.37F + static_cast<float>(kept.size()));
    }
    kept.push_back(std::move(numbers));
    return testing::host_tensor(kept.back(), std::move(shape));
  }
  LinearWeight linear(int out, int in) {
    return backend.linear_weight(std::array{LinearPart{.weight = values({out, in}), .bias = std::nullopt}});
  }
  NormWeight norm(int size) { return backend.norm_weight(values({size}), std::nullopt); }
  Tensor input(int rows, int columns) {
    const HostTensor host = values({rows, columns});
    const Tensor x = testing::new_tensor(rows, columns);
    values_of(x) = kept.back();
    return x;
  }

  DecoderLayer layer() {
    kept.reserve(64);  // views of it are handed out
    return {.attention_norm = norm(6),
            .attention = {.qkv = linear(16, 6),
                          .output = linear(6, 8),
                          .q_norm = norm(4),
                          .k_norm = norm(4),
                          .sinks = {},
                          .spec = {.num_heads = 2, .num_kv_heads = 1, .head_dim = 4, .scale = 0.5F, .right_window = 0}},
            .attention_output_norm = std::nullopt,
            .mlp_norm = norm(6),
            .mlp = {.gate_up = linear(6, 6), .down = linear(6, 3), .gate = {}},
            .mlp_output_norm = std::nullopt};
  }
};

TEST(DecoderLayer, IsAttentionThenMlpEachBehindItsNorm) {
  Parts parts;
  Ops& ops = parts.ops;
  const DecoderLayer layer = parts.layer();
  const PackedBatch batch = testing::rows_of_length({3, 1});
  const Tensor x = parts.input(4, 6);
  const std::array frequencies = {1.0F, 0.1F};
  const Tensor rotary = ops.rotary_table(positions_in_rows(batch), frequencies, 1.0F);

  const Tensor qkv = ops.linear(ops.rms_norm(x, layer.attention_norm, 0.1F), layer.attention.qkv);
  const auto turned = [&](const Tensor& heads, const NormWeight& norm) {
    return ops.rope(ops.rms_norm(heads, norm, 0.1F), rotary, 4, RopePairs::kHalves);
  };
  const Tensor context = ops.attention(turned(ops.columns(qkv, 0, 8), *layer.attention.q_norm),
                                       turned(ops.columns(qkv, 8, 4), *layer.attention.k_norm), ops.columns(qkv, 12, 4),
                                       batch, layer.attention.spec);
  const Tensor attended = ops.add(x, ops.linear(context, layer.attention.output));
  const Tensor gated = ops.gated_linear(ops.rms_norm(attended, layer.mlp_norm, 0.1F), layer.mlp.gate_up, Gate());
  const Tensor wanted = ops.add(attended, ops.linear(gated, layer.mlp.down));

  const Tensor actual = decoder_layer(ops, x, batch, layer, rotary, 0.1F, {});
  // The sum with the residual is rounded once more where it is an operation of its own.
  EXPECT_THAT(values_of(actual), ::testing::Pointwise(::testing::FloatNear(1e-6F), values_of(wanted)));
}

TEST(DecoderLayer, NormsOfTheOutputsStandBeforeTheSums) {
  Parts parts;
  Ops& ops = parts.ops;
  DecoderLayer layer = parts.layer();
  const PackedBatch batch = testing::rows_of_length({3});
  const Tensor x = parts.input(3, 6);
  const std::array frequencies = {1.0F, 0.1F};
  const Tensor rotary = ops.rotary_table(positions_in_rows(batch), frequencies, 1.0F);
  layer.attention_output_norm = parts.norm(6);
  layer.mlp_output_norm = parts.norm(6);

  const Tensor block =
      attend(ops, ops.rms_norm(x, layer.attention_norm, 0.1F), batch, layer.attention, rotary, 0.1F, {}, Tensor());
  const Tensor attended = ops.add(x, ops.rms_norm(block, *layer.attention_output_norm, 0.1F));
  const Tensor inner = gated_mlp(ops, ops.rms_norm(attended, layer.mlp_norm, 0.1F), layer.mlp, Tensor());
  const Tensor wanted = ops.add(attended, ops.rms_norm(inner, *layer.mlp_output_norm, 0.1F));

  EXPECT_EQ(values_of(decoder_layer(ops, x, batch, layer, rotary, 0.1F, {})), values_of(wanted));
}

TEST(Attend, SinksTakeTheirShare) {
  Parts parts;
  DecoderAttention attention = parts.layer().attention;
  const PackedBatch batch = testing::rows_of_length({1});
  const Tensor x = parts.input(1, 6);
  const std::array frequencies = {1.0F, 0.1F};
  const Tensor rotary = parts.ops.rotary_table(positions_in_rows(batch), frequencies, 1.0F);
  const Tensor without = attend(parts.ops, x, batch, attention, rotary, 0.1F, {}, Tensor());
  attention.sinks = {1e4F, 1e4F};  // next to it nothing else counts
  const Tensor with = attend(parts.ops, x, batch, attention, rotary, 0.1F, {}, Tensor());
  EXPECT_NE(testing::at(without, 0, 0), 0.0F);
  EXPECT_THAT(values_of(with), ::testing::Each(0.0F));
}

}  // namespace
}  // namespace mlxe
