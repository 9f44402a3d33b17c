// Widening and narrowing without branches, so that every element of a block takes the same way.
#include "convert/cast.h"

#include <algorithm>
#include <string>

#include "convert/cast_kernels.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

constexpr std::size_t kBlock = 1024;  // elements that stay in the first-level cache between two steps

using WidenLoop = void (*)(const std::byte* source, std::size_t count, float* out);
using NarrowLoop = std::size_t (*)(const float* source, std::size_t count, std::byte* out);

template <DType kType>
MLXE_EVERYWHERE void widen_all(const std::byte* source, std::size_t count, float* out) {
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    cast_kernels::widen<kType, kBlock>(source + begin * size_bytes(kType), std::min(kBlock, count - begin),
                                       out + begin);
  }
}

template <DType kType>
MLXE_EVERYWHERE std::size_t narrow_all(const float* source, std::size_t count, std::byte* out) {
  std::size_t beyond = 0;
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    beyond += cast_kernels::narrow<kType, kBlock>(source + begin, std::min(kBlock, count - begin),
                                                  out + begin * size_bytes(kType));
  }
  return beyond;
}

template <DType kType>
void widen_anywhere(const std::byte* source, std::size_t count, float* out) {
  widen_all<kType>(source, count, out);
}

template <DType kType>
std::size_t narrow_anywhere(const float* source, std::size_t count, std::byte* out) {
  return narrow_all<kType>(source, count, out);
}

#ifdef MLXE_AVX2
template <DType kType>
MLXE_AVX2 void widen_avx2(const std::byte* source, std::size_t count, float* out) {
  widen_all<kType>(source, count, out);
}

template <DType kType>
MLXE_AVX2 std::size_t narrow_avx2(const float* source, std::size_t count, std::byte* out) {
  return narrow_all<kType>(source, count, out);
}
#endif

template <DType kType>
WidenLoop widen_loop() {
#ifdef MLXE_AVX2
  if (cast_kernels::has_avx2()) {
    return widen_avx2<kType>;
  }
#endif
  return widen_anywhere<kType>;
}

template <DType kType>
NarrowLoop narrow_loop() {
#ifdef MLXE_AVX2
  if (cast_kernels::has_avx2()) {
    return narrow_avx2<kType>;
  }
#endif
  return narrow_anywhere<kType>;
}

[[noreturn]] void throw_no_float(DType dtype) {
  throw Error(ErrorCode::kInvalidInput,
              "elements of type " + std::string(to_string(dtype)) + " cannot be cast, wanted floating-point ones");
}

}  // namespace

void widen(DType dtype, const std::byte* source, std::size_t count, float* out) {
  switch (dtype) {
    case DType::kFloat32: widen_anywhere<DType::kFloat32>(source, count, out); return;
    case DType::kFloat16: widen_loop<DType::kFloat16>()(source, count, out); return;
    case DType::kBFloat16: widen_loop<DType::kBFloat16>()(source, count, out); return;
    default: throw_no_float(dtype);
  }
}

std::size_t narrow(const float* source, std::size_t count, DType dtype, std::byte* out) {
  switch (dtype) {
    case DType::kFloat32: return narrow_anywhere<DType::kFloat32>(source, count, out);
    case DType::kFloat16: return narrow_loop<DType::kFloat16>()(source, count, out);
    case DType::kBFloat16: return narrow_loop<DType::kBFloat16>()(source, count, out);
    default: throw_no_float(dtype);
  }
}

std::size_t cast(DType from, const std::byte* source, std::size_t count, DType to, std::byte* out) {
  if (from == to && is_float(from)) {
    std::copy_n(source, count * size_bytes(from), out);
    return 0;
  }
  float block[kBlock];
  std::size_t beyond = 0;
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    const std::size_t size = std::min(kBlock, count - begin);
    widen(from, source + begin * size_bytes(from), size, block);
    beyond += narrow(block, size, to, out + begin * size_bytes(to));
  }
  return beyond;
}

}  // namespace mlxe
