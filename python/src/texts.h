// Texts: Python strings as the views that the engine takes, without a copy.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include <nanobind/nanobind.h>

#include "mlxe/options.h"

namespace mlxe::python {

namespace nb = nanobind;

using TextSequence = nb::typed<nb::sequence, nb::str>;
using PairSequence = nb::typed<nb::sequence, nb::typed<nb::tuple, nb::str, nb::str>>;

/// Keeps the strings alive, so a call does not mind what other threads do to the list.
class Texts {
 public:
  /// \throws nb::type_error naming the item that is no str, Error{kInvalidInput} for one with a lone surrogate
  explicit Texts(nb::handle sequence, std::string_view noun = "text");
  [[nodiscard]] std::span<const std::string_view> views() const { return views_; }

 private:
  std::vector<nb::object> owners_;
  std::vector<std::string_view> views_;
};

/// Likewise of pairs of strings.
class Pairs {
 public:
  explicit Pairs(nb::handle sequence);
  [[nodiscard]] std::span<const TextPair> views() const { return views_; }

 private:
  std::vector<nb::object> owners_;
  std::vector<TextPair> views_;
};

}  // namespace mlxe::python
