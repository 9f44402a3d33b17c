// Device and precision to backend; the only place that knows which backends exist.
#include "engine/make_backend.h"

#include <utility>

#include <fmt/format.h>

#include "backend/cpu/cpu_backend.h"
#include "backend/mlx/mlx_backend.h"
#include "engine/profiling_backend.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

cpu::CpuPrecision cpu_precision(Precision precision) {
  switch (precision) {
    case Precision::kAuto: return cpu::CpuPrecision::kAuto;
    case Precision::kFp32: return cpu::CpuPrecision::kFp32;
    case Precision::kBf16: return cpu::CpuPrecision::kBf16;
    case Precision::kInt16: return cpu::CpuPrecision::kInt16;
    case Precision::kInt8: return cpu::CpuPrecision::kInt8;
  }
  throw Error(ErrorCode::kInvalidInput, "unknown precision");
}

Device resolve(Device device) {
  if (device != Device::kAuto) {
    return device;
  }
#ifdef __APPLE__
  return Device::kMlx;
#else
  return Device::kCpu;
#endif
}

std::unique_ptr<Backend> make_plain_backend(const LoadOptions& options) {
  if (options.threads < 0 || options.threads > kMaxThreads) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("threads is {}, wanted 0 (as many as there are cores) to {}",
                                                      options.threads, kMaxThreads));
  }
  if (resolve(options.device) == Device::kCpu) {
    return cpu::make_cpu_backend({.precision = cpu_precision(options.precision), .threads = options.threads});
  }
  if (options.precision != Precision::kAuto && options.precision != Precision::kFp32) {
    throw Error(ErrorCode::kUnsupported, "device 'mlx' computes in fp32 only, wanted precision 'fp32' or 'auto'");
  }
  return load_mlx_backend();
}

}  // namespace

std::unique_ptr<Backend> make_backend(const LoadOptions& options) {
  std::unique_ptr<Backend> backend = make_plain_backend(options);
  return options.on_operation ? make_profiling_backend(std::move(backend), options.on_operation) : std::move(backend);
}

}  // namespace mlxe
