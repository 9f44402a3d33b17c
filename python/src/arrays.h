// Results become numpy arrays that own the engine's memory: nothing is copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include "mlxe/output.h"

namespace mlxe::python {

namespace nb = nanobind;

template <class T>
using Vector = nb::ndarray<nb::numpy, T, nb::ndim<1>>;
template <class T>
using Matrix = nb::ndarray<nb::numpy, T, nb::ndim<2>>;

/// What Python may hand over: C-ordered, of exactly this type, in the machine's own memory.
template <class T, std::size_t rank>
using Given = nb::ndarray<const T, nb::ndim<rank>, nb::c_contig, nb::device::cpu>;

/// Moves the vector to where Python's reference counts decide on its life.
template <class T>
std::pair<T*, nb::capsule> give_away(std::vector<T> values) {
  auto owner = std::make_unique<std::vector<T>>(std::move(values));
  owner->reserve(1);  // numpy wants an address for an empty array too
  nb::capsule capsule(owner.get(), [](void* pointer) noexcept {
    const std::unique_ptr<std::vector<T>> ends_here(static_cast<std::vector<T>*>(pointer));
  });
  return {owner.release()->data(), std::move(capsule)};
}

template <class T>
Vector<T> to_vector(std::vector<T> values) {
  const std::size_t count = values.size();
  auto [data, owner] = give_away(std::move(values));
  return {data, {count}, owner};
}

/// \param width  of a row; there may be no rows
template <class T>
Matrix<T> to_matrix(std::vector<T> values, std::size_t width) {
  const std::size_t count = width == 0 ? 0 : values.size() / width;
  auto [data, owner] = give_away(std::move(values));
  return {data, {count, width}, owner};
}

/// Each report as the tokens that went through the model and those that the whole text has.
inline Matrix<std::int32_t> to_matrix(std::vector<ItemReport> reports) {
  static_assert(sizeof(ItemReport) == 2 * sizeof(std::int32_t));
  const std::size_t count = reports.size();
  auto [data, owner] = give_away(std::move(reports));
  return {reinterpret_cast<std::int32_t*>(data), {count, 2}, owner};
}

}  // namespace mlxe::python
