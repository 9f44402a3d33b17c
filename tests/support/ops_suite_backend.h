// Tests of Backend::run and info for every backend; included by ops_suite.h.
#pragma once

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support/ops_fixture.h"

namespace mlxe::testing {

TEST_P(OpsSuite, InfoIsFilledIn) {
  const BackendInfo info = backend().info();
  EXPECT_FALSE(info.device.empty());
  EXPECT_EQ(info.precision, "fp32");
  EXPECT_GE(info.threads, 1);
  EXPECT_GT(info.batch_tokens, 0U);
}

TEST_P(OpsSuite, RunCallsEveryTaskOnce) {
  for (const std::size_t count : {0U, 1U, 2U, 7U, 65U}) {
    std::vector<std::atomic<int>> calls(count);
    backend().run(count, [&](Ops& /*ops*/, std::size_t task) { ++calls[task]; });
    for (std::size_t task = 0; task < count; ++task) {
      EXPECT_EQ(calls[task].load(), 1) << "task " << task << " of " << count;
    }
  }
}

TEST_P(OpsSuite, RunRethrowsTheFirstException) {
  const auto failing = [&] {
    backend().run(9, [](Ops& /*ops*/, std::size_t task) {
      if (task == 4) {
        throw std::domain_error("task 4");
      }
    });
  };
  EXPECT_THROW(failing(), std::domain_error);
  std::atomic<int> calls = 0;
  backend().run(3, [&](Ops& /*ops*/, std::size_t /*task*/) { ++calls; });
  EXPECT_EQ(calls.load(), 3) << "the backend is usable afterwards";
}

TEST_P(OpsSuite, TasksAndThreadsDoNotMix) {
  const Matrix weight = noise(33, 32, 1, 0.2F);
  const LinearWeight packed = backend().linear_weight(std::array{LinearPart{host_tensor(weight), std::nullopt}});
  const Matrix values = noise(30, 32, 2);
  const EmbeddingTable table = backend().embedding_table(host_tensor(values));  // weights are for one thread
  const auto work = [&] {
    backend().run(12, [&](Ops& ops, std::size_t task) {
      Matrix input(static_cast<int>(task) * 5 + 1, 32);
      std::vector<std::int32_t> ids;
      for (int row = 0; row < input.rows; ++row) {
        ids.push_back((row + static_cast<int>(task)) % 30);
        for (int c = 0; c < 32; ++c) {
          input.at(row, c) = static_cast<float>(values.at(ids.back(), c));
        }
      }
      expect_matches(ops, ops.linear(ops.gather_sum(std::array{Lookup{&table, ids}}), packed, Activation::kGeluErf),
                     reference_linear(input, weight, {}, Activation::kGeluErf, nullptr));
    });
  };
  std::vector<std::jthread> callers;
  for (int caller = 0; caller < 3; ++caller) {
    callers.emplace_back(work);
  }
}

}  // namespace mlxe::testing
