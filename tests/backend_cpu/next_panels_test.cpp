// What a product asks memory for early: the panels of the weight that was packed after its own.
#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/cpu_weights.h"
#include "backend/cpu/instruction_set.h"
#include "backend/cpu/quantized_panels.h"
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

TEST(NextPanels, OfAWeightOf16BitsHaveHalfOfTheWords) {
  const auto backend = cpu::make_cpu_backend({.precision = cpu::CpuPrecision::kFp32, .threads = 1});
  const LinearWeight first = pack(*backend, 10);
  const HostTensor halves = half_weight(DType::kBFloat16, 500, 24, 1).tensor;
  const LinearWeight second = backend->linear_weight(std::array{LinearPart{halves, std::nullopt}});

  const cpu::PackedLinear& weight = packed(second);
  const cpu::NextPanels& next = *packed(first).next;
  EXPECT_EQ(next.panel_words, 24 / 2 * weight.kernels->panel_width);
  EXPECT_EQ(next.share(0, 1), weight.panels.data);
  EXPECT_EQ(next.share(1, 2), weight.panels.data + weight.num_panels / 2 * next.panel_words);
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

/// What the products of a quantised weight were told to ask for, instead of being done.
std::vector<std::pair<const void*, std::ptrdiff_t>> asked;
void note_what_is_asked(const cpu::GemmArgs& args) {
  asked.emplace_back(args.next, args.next_bytes);
}

TEST(NextPanels, AQuantizedProductAsksForTheCodesOfThePanelAfterIt) {
  constexpr int kIn = 128;
  cpu::MatrixKernels kernels = *cpu::available_kernels().back().fp32;
  kernels.gemm = note_what_is_asked;
  const int width = kernels.panel_width;
  const QuantizationFormat formats[] = {{QuantizationMode::kAffine, 4, 64}, {QuantizationMode::kAffine, 8, 64}};
  std::vector<LinearPart> parts;  // two panels of each
  for (const QuantizationFormat& format : formats) {
    parts.push_back({quantized_tensor(format, 2 * width, kIn, DType::kFloat16, 1), std::nullopt});
  }
  cpu::WeightMemory memory;
  const auto one_by_one = [](std::size_t count, const std::function<void(std::size_t)>& f) {
    for (std::size_t i = 0; i < count; ++i) {
      f(i);
    }
  };
  const auto runs = cpu::keep_quantized(parts, kernels, memory, one_by_one);
  ASSERT_TRUE(runs && runs->size() == 2);
  const std::ptrdiff_t words[] = {kIn * 4 / 32 * width, kIn * 8 / 32 * width};  // of a panel of each
  std::vector<float> scratch(cpu::expansion_floats(kernels, kIn));
  std::vector<float> c(static_cast<std::size_t>(4 * width));
  cpu::GemmArgs args;
  args.c = c.data();
  args.n = 4 * width;
  args.panel_end = 4;
  args.ahead_end = 4;
  args.next = &args;  // of the next weight
  args.next_bytes = 7;
  asked.clear();
  cpu::multiply_quantized(kernels, *runs, kIn, args, scratch.data());
  const std::vector<std::pair<const void*, std::ptrdiff_t>> wanted = {{(*runs)[0].words.data + words[0], 4 * words[0]},
                                                                      {(*runs)[1].words.data, 4 * words[1]},
                                                                      {(*runs)[1].words.data + words[1], 4 * words[1]},
                                                                      {&args, 7}};
  EXPECT_EQ(asked, wanted);

  kernels.rows_at_once = 16;
  asked.clear();
  cpu::multiply_quantized(kernels, *runs, kIn, args, scratch.data());
  for (const auto& [next, bytes] : asked) {
    EXPECT_EQ(next, nullptr);
  }
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
