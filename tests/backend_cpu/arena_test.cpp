// Tests of the arena: blocks come back hot, never overlap, and free memory stays bounded.
#include "backend/cpu/arena.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

namespace mlxe::cpu {
namespace {

TEST(Arena, HandsTheLastFreedBlockOutAgain) {
  Arena arena;
  float* first = arena.allocate(1000);
  arena.release(first, 1000);
  float* second = arena.allocate(990);  // the same size step
  EXPECT_EQ(first, second);
  arena.release(second, 990);
}

TEST(Arena, BlocksAreAlignedAndHoldWhatWasAskedFor) {
  Arena arena;
  std::vector<std::pair<float*, std::size_t>> blocks;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{255}, std::size_t{256}, std::size_t{257},
                                 std::size_t{1279}, std::size_t{1280}, std::size_t{1281}, std::size_t{100'003}}) {
    float* block = arena.allocate(size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % 64, 0U);
    std::fill_n(block, size, static_cast<float>(size));  // an overrun is caught by the sanitizer build
    blocks.emplace_back(block, size);
  }
  for (const auto& [block, size] : blocks) {
    for (std::size_t i = 0; i < size; ++i) {
      ASSERT_EQ(block[i], static_cast<float>(size));
    }
    arena.release(block, size);
  }
}

TEST(Arena, ReusesBlocksOverManySizes) {
  Arena arena;
  for (int round = 0; round < 3; ++round) {
    for (std::size_t size = 1; size < 200'000; size += 777) {
      arena.release(arena.allocate(size), size);
    }
  }
  // Steps of 4, 5, 6, 7 an octave, and all lower octaves as much again: at most 44 / 7 of the largest block, which
  // itself is at most 5 / 4 of what was asked for.
  EXPECT_LT(arena.free_bytes(), std::size_t{8} * 200'000 * sizeof(float));
}

TEST(Arena, TrimFreesOnlyAboveTheLimit) {
  Arena arena;
  arena.release(arena.allocate(10'000), 10'000);
  const std::size_t held = arena.free_bytes();
  EXPECT_GE(held, 10'000 * sizeof(float));
  arena.trim(held);
  EXPECT_EQ(arena.free_bytes(), held);
  arena.trim(held - 1);
  EXPECT_EQ(arena.free_bytes(), 0U);
}

}  // namespace
}  // namespace mlxe::cpu
