// From device, precision and threads to a backend.
#include "engine/make_backend.h"

#include "engine/loader.h"
#include "support/expect_error.h"

namespace mlxe {
namespace {

TEST(MakeBackend, MakesTheCpuBackendWithTheThreadsAskedFor) {
  const BackendInfo info = make_backend({.device = Device::kCpu, .precision = Precision::kFp32, .threads = 3})->info();
  EXPECT_EQ(info.device, "cpu");
  EXPECT_EQ(info.precision, "fp32");
  EXPECT_EQ(info.threads, 3);
}

// Their panels are expanded for every micro-batch anew.
TEST(MakeBackend, GivesQuantizedWeightsLargerMicroBatches) {
  const LoadOptions options = {.device = Device::kCpu, .threads = 1};
  const auto batch_tokens = [&](const char* folder) {
    return load_model(folder, options, make_backend(options)).backend->info().batch_tokens;
  };
  EXPECT_GT(batch_tokens("tests/fixtures/bert-q4"), batch_tokens("tests/fixtures/bert-mean"));
}

TEST(MakeBackend, RefusesAbsurdThreadCounts) {
  EXPECT_ERROR(kInvalidInput, "threads is -1, wanted 0", make_backend({.threads = -1}));
  EXPECT_ERROR(kInvalidInput, "threads is 1025, wanted 0 (as many as there are cores) to 1024",
               make_backend({.threads = 1025}));
}

TEST(MakeBackend, OffersOnlyFp32OnMlx) {
  for (const Precision precision : {Precision::kBf16, Precision::kInt16, Precision::kInt8}) {
    EXPECT_ERROR(kUnsupported, "device 'mlx' computes in fp32 only",
                 make_backend({.device = Device::kMlx, .precision = precision}));
  }
}

}  // namespace
}  // namespace mlxe
