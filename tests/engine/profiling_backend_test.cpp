// Tests of the backend that tells how long operations took: names, counted arithmetic, unchanged results.
#include "engine/profiling_backend.h"

#include <array>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/make_backend.h"
#include "support/ops_fixture.h"

namespace mlxe::testing {
namespace {

/// Two texts of 2 and 3 tokens through a product and causal attention, and then that of one token; \returns the values.
std::vector<float> run(const LoadOptions& options) {
  const std::unique_ptr<Backend> backend = make_backend(options);
  const LinearWeight weight = backend->linear_weight(std::array{LinearPart{host_tensor(noise(4, 8, 1)), std::nullopt}});
  const EmbeddingTable table = backend->embedding_table(host_tensor(noise(5, 8, 2)));
  const std::vector<std::int32_t> ids = {0, 1, 2, 3, 4};
  PackedBatch batch;
  batch.token_ids = ids;
  batch.offsets = {0, 2, 5};
  std::vector<float> out(5 * 4);
  backend->run(1, [&](Ops& ops, std::size_t /*task*/) {
    const Tensor x = ops.linear(ops.gather_sum(std::array{Lookup{&table, ids}}), weight);
    const AttentionSpec spec = {.num_heads = 1, .num_kv_heads = 1, .head_dim = 4, .right_window = 0};
    ops.read(ops.attention(x, x, x, batch, spec), out);
    (void)ops.attention(x, x, x, batch, spec, std::vector<std::int32_t>{3});
  });
  return out;
}

TEST(ProfilingBackend, ReportsEachOperationAndItsArithmetic) {
  std::mutex mutex;
  std::vector<OperationTime> seen;
  LoadOptions options = {.device = Device::kCpu, .precision = Precision::kFp32, .threads = 1};
  const std::vector<float> plain = run(options);
  options.on_operation = [&](const OperationTime& one) {
    const std::lock_guard lock(mutex);
    seen.push_back(one);
  };
  EXPECT_EQ(run(options), plain);
  std::vector<std::pair<std::string, double>> found;
  for (const OperationTime& one : seen) {
    found.emplace_back(one.name, one.operations);
    EXPECT_GE(one.seconds, 0.0);
  }
  // 5 rows x 8 x 4 multiply-adds; 3 + 6 pairs of tokens, 4 values each, in two products; then 2 pairs.
  const std::vector<std::pair<std::string, double>> want = {
      {"gather_sum", 0.0}, {"linear 8 -> 4", 320.0}, {"attention", 144.0}, {"read", 0.0}, {"attention", 32.0}};
  EXPECT_EQ(found, want);
}

}  // namespace
}  // namespace mlxe::testing
