// What a product asks memory for early: the panels of the weight that was packed after its own.
#include <array>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/cpu_weights.h"
#include "support/ops_fixture.h"
#include "support/quantized_tensors.h"

namespace mlxe::testing {
namespace {

const cpu::PackedLinear& packed(const LinearWeight& weight) {
  return static_cast<const cpu::PackedLinear&>(*weight.storage);
}

LinearWeight pack(Backend& backend, int out) {
  return backend.linear_weight(std::array{LinearPart{host_tensor(noise(out, 24, 1)), std::nullopt}});
}

TEST(NextPanels, AreThoseOfTheWeightThatWasPackedNext) {
  const auto backend = cpu::make_cpu_backend({.precision = cpu::CpuPrecision::kFp32, .threads = 1});
  const LinearWeight first = pack(*backend, 10);
  EXPECT_EQ(packed(first).next->share(0, 1), nullptr);
  const LinearWeight second = pack(*backend, 500);
  const LinearWeight last = pack(*backend, 10);

  const cpu::PackedLinear& weight = packed(second);
  const int width = weight.kernels->panel_width;
  EXPECT_EQ(packed(first).next->share(0, 1), weight.panels.data);
  for (const int shares : {2, 3}) {
    for (int share = 0; share < shares; ++share) {
      const int panel = weight.num_panels * share / shares;
      EXPECT_EQ(packed(first).next->share(share, shares), weight.panels.data + panel * weight.k_words * width)
          << share << " of " << shares;
    }
  }
  EXPECT_EQ(weight.next->share(0, 1), packed(last).panels.data);
  EXPECT_EQ(packed(last).next->share(0, 1), nullptr);
}

TEST(NextPanels, OfAQuantizedWeightAreItsCodes) {
  const auto backend = cpu::make_cpu_backend({.precision = cpu::CpuPrecision::kFp32, .threads = 1});
  const LinearWeight first = pack(*backend, 10);
  const QuantizationFormat format{QuantizationMode::kAffine, 4, 64};
  const HostTensor codes = quantized_tensor(format, 500, 128, DType::kFloat16, 1);
  const LinearWeight second = backend->linear_weight(std::array{LinearPart{codes, std::nullopt}});

  const cpu::PackedLinear& weight = packed(second);
  ASSERT_EQ(weight.quantized.size(), 1U);
  const cpu::NextPanels& next = *packed(first).next;
  EXPECT_EQ(next.panel_words, 128 * 4 / 32 * weight.kernels->panel_width);
  EXPECT_EQ(next.share(0, 1), weight.quantized[0].words.data);
  EXPECT_EQ(next.share(1, 2), weight.quantized[0].words.data + weight.num_panels / 2 * next.panel_words);
}

TEST(BeginOfShare, SharesFollowEachOtherAndDifferByOne) {
  for (const int count : {0, 1, 7, 64}) {
    for (const int shares : {1, 2, 5}) {
      EXPECT_EQ(cpu::begin_of_share(0, shares, count), 0);
      EXPECT_EQ(cpu::begin_of_share(shares, shares, count), count);
      for (int share = 0; share < shares; ++share) {
        const int size = cpu::begin_of_share(share + 1, shares, count) - cpu::begin_of_share(share, shares, count);
        EXPECT_TRUE(size == count / shares || size == count / shares + 1) << count << " in " << shares;
      }
    }
  }
  EXPECT_EQ(cpu::begin_of_share(3, 4, 2'000'000'000), 1'500'000'000);
}

}  // namespace
}  // namespace mlxe::testing
