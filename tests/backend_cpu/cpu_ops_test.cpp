// Checkpoints: long operations ask whether to go on, and stop where the answer throws.
#include "backend/cpu/cpu_ops.h"

#include <array>
#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "backend/cpu/cpu_backend.h"
#include "support/ops_fixture.h"
#include "support/reference_ops.h"

namespace mlxe::testing {
namespace {

constexpr int kRows = 400;  // of several pieces, for a team
constexpr int kWidth = 32;

PackedBatch one_row() {
  PackedBatch batch;
  batch.token_ids.resize(kRows);
  batch.offsets = {0, kRows};
  return batch;
}

/// A backend with a weight and a table, and what is done with them.
class Checkpoint : public ::testing::TestWithParam<int> {
 public:  // their addresses are taken
  Tensor input(Ops& ops) {
    std::vector<std::int32_t> ids(kRows);
    return ops.gather_sum(std::array{Lookup{&table_, ids}});
  }
  Tensor product(Ops& ops) { return ops.linear(input(ops), weight_); }
  Tensor attended(Ops& ops) {
    const Tensor x = input(ops);
    return ops.attention(x, x, x, one_row(), {.num_heads = 4, .num_kv_heads = 4, .head_dim = kWidth / 4});
  }
  template <class Work>
  void run(const Work& work) {
    backend_->run(1, [&](Ops& ops, std::size_t /*task*/) { work(ops); });
  }

  std::unique_ptr<Backend> backend_ =
      cpu::make_cpu_backend({.precision = cpu::CpuPrecision::kFp32, .threads = GetParam()});
  LinearWeight weight_ =
      backend_->linear_weight(std::array{LinearPart{host_tensor(noise(kWidth, kWidth, 1)), std::nullopt}});
  EmbeddingTable table_ = backend_->embedding_table(host_tensor(noise(1, kWidth, 2)));
};

TEST_P(Checkpoint, IsPassedByTheCallersThreadInProductsAndInAttention) {
  const std::thread::id caller = std::this_thread::get_id();
  run([&](Ops& ops) {
    int calls = 0;
    ops.set_checkpoint([&] { calls += std::this_thread::get_id() == caller ? 1 : -1000; });
    (void)product(ops);
    // Where there are other members, they may have taken all pieces.
    EXPECT_GE(calls, GetParam() == 1 ? 1 : 0);
    calls = 0;
    (void)attended(ops);
    EXPECT_GE(calls, GetParam() == 1 ? 4 : 0);
  });
}

TEST_P(Checkpoint, StopsAnOperationByThrowing) {
  for (const auto& work : {&Checkpoint::product, &Checkpoint::attended}) {
    std::atomic<bool> stop{true};
    const auto stopped = [&] {
      run([&](Ops& ops) {
        ops.set_checkpoint([&] {
          if (stop) {
            throw std::runtime_error("stopped here");
          }
        });
        (void)(this->*work)(ops);
      });
    };
    // Nobody asks where other members took all pieces; then one of the next times.
    EXPECT_THROW(
        {
          for (int round = 0; round < 1000; ++round) {
            stopped();
          }
        },
        std::runtime_error);
    stop = false;
    EXPECT_NO_THROW(stopped());
  }
}

TEST_P(Checkpoint, ChangesNoResult) {
  run([&](Ops& ops) {
    std::vector<float> plain(kRows * kWidth);
    std::vector<float> asked(kRows * kWidth);
    ops.read(product(ops), plain);
    ops.set_checkpoint([] {});
    ops.read(product(ops), asked);
    EXPECT_EQ(plain, asked);
  });
}

INSTANTIATE_TEST_SUITE_P(Threads, Checkpoint, ::testing::Values(1, 3));

}  // namespace
}  // namespace mlxe::testing
