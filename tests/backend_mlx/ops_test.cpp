// The MLX backend passes the tests of every backend, and runs one task at a time.
#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "backend/mlx/mlx_backend.h"
#include "support/ops_suite.h"

namespace mlxe::testing {

INSTANTIATE_TEST_SUITE_P(Mlx, OpsSuite, ::testing::Values(OpsBackend{"Mlx", load_mlx_backend}), ops_backend_name);

TEST(MlxBackend, RunsOneTaskAtATime) {
  // One stream serves all threads, so tasks of different callers must not meet.
  const std::unique_ptr<Backend> backend = load_mlx_backend();
  std::atomic<int> running = 0;
  std::atomic<int> most = 0;
  const auto work = [&] {
    backend->run(20, [&](Ops& /*ops*/, std::size_t /*task*/) {
      const int now = ++running;
      most = std::max(most.load(), now);
      std::this_thread::yield();
      --running;
    });
  };
  std::vector<std::jthread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back(work);
  }
  callers.clear();  // joins
  EXPECT_EQ(most.load(), 1);
}

}  // namespace mlxe::testing
