// Tests of choosing kernels: the best by default, the named one when forced, an error that lists what there is.
#include "backend/cpu/instruction_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend_cpu/forced_isa.h"
#include "mlxe/error.h"

namespace mlxe::cpu {
namespace {

TEST(ChooseKernels, TakesTheFirstAvailable) {
  const ForcedIsa none("");
  EXPECT_EQ(&choose_kernels(), &available_kernels().front());
}

TEST(ChooseKernels, PortableIsAlwaysThere) {
  EXPECT_STREQ(available_kernels().back().name, "portable");
}

TEST(ChooseKernels, EachAvailableCanBeForced) {
  for (const KernelTable& table : available_kernels()) {
    const ForcedIsa forced(table.name);
    EXPECT_EQ(&choose_kernels(), &table);
  }
}

TEST(ChooseKernels, UnknownNameListsWhatThereIs) {
  const ForcedIsa forced("mmx");
  try {
    static_cast<void>(choose_kernels());
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("MLXE_CPU_ISA is 'mmx', this machine has: "));
    EXPECT_THAT(error.what(), ::testing::EndsWith("portable"));
  }
}

}  // namespace
}  // namespace mlxe::cpu
