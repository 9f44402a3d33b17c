// Tests of bf16 and int8 through the backend: a team gives the same bits as one worker, whichever way it shares rows.
#include <array>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/instruction_set.h"
#include "backend_cpu/forced_isa.h"
#include "support/ops_fixture.h"

namespace mlxe::testing {
namespace {

std::vector<float> linear_rows(cpu::CpuPrecision precision, int threads, int rows) {
  const std::unique_ptr<Backend> backend = cpu::make_cpu_backend({.precision = precision, .threads = threads});
  const LinearWeight weight =
      backend->linear_weight(std::array{LinearPart{host_tensor(noise(100, 70, 1, 0.2F)), std::nullopt}});
  const EmbeddingTable table = backend->embedding_table(host_tensor(noise(rows, 70, 2)));
  std::vector<std::int32_t> ids;
  for (int row = 0; row < rows; ++row) {
    ids.push_back(row);
  }
  std::vector<float> out(static_cast<std::size_t>(rows) * 100);
  backend->run(1, [&](Ops& ops, std::size_t /*task*/) {
    ops.read(ops.linear(ops.gather_sum(std::array{Lookup{&table, ids}}), weight, Activation::kGeluErf), out);
  });
  return out;
}

TEST(CpuPrecision, TeamsGiveTheSameBitsAtEveryPrecision) {
  for (const cpu::KernelTable& isa : cpu::available_kernels()) {
    const cpu::ForcedIsa forced(isa.name);
    for (const auto& [precision, kernels] :
         {std::pair(cpu::CpuPrecision::kFp32, isa.fp32), std::pair(cpu::CpuPrecision::kBf16, isa.bf16),
          std::pair(cpu::CpuPrecision::kInt8, isa.int8)}) {
      for (const int rows : {5, 300}) {  // shared out by panels, and by rows
        if (kernels != nullptr) {
          EXPECT_EQ(linear_rows(precision, 1, rows), linear_rows(precision, 3, rows))
              << isa.name << ", " << kernels->precision << ", " << rows << " rows";
        }
      }
    }
  }
}

}  // namespace
}  // namespace mlxe::testing
