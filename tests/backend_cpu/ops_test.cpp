// The suite that every backend passes, for each instruction set of this machine, alone and with a team.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/instruction_set.h"
#include "backend_cpu/forced_isa.h"
#include "support/ops_suite.h"

namespace mlxe::testing {
namespace {

std::vector<OpsBackend> cpu_backends() {
  std::vector<OpsBackend> backends;
  for (const cpu::KernelTable& table : cpu::available_kernels()) {
    for (const int threads : {1, 3}) {
      backends.push_back({std::string(table.name) + "_" + std::to_string(threads) + "_threads", [&table, threads] {
                            const cpu::ForcedIsa forced(table.name);
                            return cpu::make_cpu_backend({.precision = cpu::CpuPrecision::kFp32, .threads = threads});
                          }});
    }
  }
  return backends;
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Cpu, OpsSuite, ::testing::ValuesIn(cpu_backends()), ops_backend_name);

}  // namespace mlxe::testing
