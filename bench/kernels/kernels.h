// The kernels as benchmarks, one for each shape that the models have.
#pragma once

#include "backend/cpu/kernel_table.h"

namespace mlxe::bench {

/// Counters of every benchmark: "operations" (each second, a multiply-add is two) where they
/// decide, "bytes" (bytes read and written each
/// second) where memory does.
inline constexpr const char* kOperationsCounter = "operations";
inline constexpr const char* kBytesCounter = "bytes";

/// Registers all benchmarks with the kernels of `table`, one thread each, on random data: zeros run faster.
void register_kernels(const cpu::KernelTable& table);

/// Registers linear layers of a decoder, plain and quantised, one thread each.
void register_linear_layers(const cpu::KernelTable& table);

}  // namespace mlxe::bench
