// The most multiply-adds a second that one core of this machine does, measured, for each instruction set and precision.
#pragma once

#include "backend/cpu/kernel_table.h"

namespace mlxe::bench {

/// Operations/s of one thread in a loop of independent multiply-adds in registers (a multiply-add is two operations):
/// the best of several bouts, as anything else on the machine can only slow it down.
/// \param kernels  the matrix kernels whose instruction the loop repeats
/// \throws Error{kInternal} for kernels that have no loop here
double measure_peak(const cpu::MatrixKernels& kernels);

/// Operations/s of `threads` threads at once in that loop, by the clock on the wall: the best of a few bouts. Less than
/// so many times measure_peak where threads, or other machines, share a core just now.
double measure_peak_of_all(const cpu::MatrixKernels& kernels, int threads);

// One loop each, in files with their own flags. \returns operations done; `sink` takes the sums, so that none is left
// out.
double multiply_add_portable(long iterations, float* sink);
#if defined(__x86_64__)
double multiply_add_avx2(long iterations, float* sink);
double multiply_add_avx2_int8(long iterations, float* sink);
double multiply_add_avx2_int16(long iterations, float* sink);
double multiply_add_avx_vnni(long iterations, float* sink);
double multiply_add_avx_vnni_int16(long iterations, float* sink);
double multiply_add_avx512(long iterations, float* sink);
double multiply_add_avx512_bf16(long iterations, float* sink);
double multiply_add_avx512_vnni(long iterations, float* sink);
double multiply_add_avx512_vnni_int16(long iterations, float* sink);
double multiply_add_amx_bf16(long iterations, float* sink);
double multiply_add_amx_int8(long iterations, float* sink);
#elif defined(__aarch64__)
double multiply_add_neon(long iterations, float* sink);
double multiply_add_neon_dot(long iterations, float* sink);
double multiply_add_neon_i8mm(long iterations, float* sink);
double multiply_add_neon_bf16(long iterations, float* sink);
#endif

}  // namespace mlxe::bench
