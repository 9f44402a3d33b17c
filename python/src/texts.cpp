// Strings are asked for their UTF-8 form, which an ASCII string is and any other one keeps.
#include "texts.h"

#include <string>

#include "mlxe/error.h"

namespace mlxe::python {
namespace {

std::string kind_of(nb::handle object) {
  return Py_TYPE(object.ptr())->tp_name;
}

[[noreturn]] void wrong_type(const std::string& message) {
  throw nb::type_error(message.c_str());
}

// A str is a sequence of strings too, which nobody means.
std::vector<nb::object> items_of(nb::handle sequence, const std::string& wanted) {
  if (nb::isinstance<nb::str>(sequence) || nb::isinstance<nb::bytes>(sequence)) {
    wrong_type("got " + kind_of(sequence) + ", wanted " + wanted);
  }
  const nb::object fast =
      nb::steal(PySequence_Fast(sequence.ptr(), ("got " + kind_of(sequence) + ", wanted " + wanted).c_str()));
  if (!fast.is_valid()) {
    throw nb::python_error();
  }
  std::vector<nb::object> items;
  const Py_ssize_t count = PySequence_Fast_GET_SIZE(fast.ptr());
  items.reserve(static_cast<std::size_t>(count));
  for (Py_ssize_t i = 0; i < count; ++i) {
    items.push_back(nb::borrow(PySequence_Fast_GET_ITEM(fast.ptr(), i)));
  }
  return items;
}

std::string_view view_of(nb::handle text, const std::string& noun, std::size_t index) {
  if (!nb::isinstance<nb::str>(text)) {
    wrong_type(noun + " " + std::to_string(index) + " is " + kind_of(text) + ", wanted str");
  }
  Py_ssize_t size = 0;
  const char* data = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
  if (data == nullptr) {
    PyErr_Clear();
    throw Error(ErrorCode::kInvalidInput, noun, index, "holds a lone surrogate and is no text, wanted valid Unicode");
  }
  return {data, static_cast<std::size_t>(size)};
}

}  // namespace

Texts::Texts(nb::handle sequence, std::string_view noun) : owners_(items_of(sequence, "a sequence of str")) {
  views_.reserve(owners_.size());
  for (std::size_t index = 0; index < owners_.size(); ++index) {
    views_.push_back(view_of(owners_[index], std::string(noun), index));
  }
}

Pairs::Pairs(nb::handle sequence) : owners_(items_of(sequence, "a sequence of pairs of str")) {
  const std::size_t count = owners_.size();
  views_.reserve(count);
  for (std::size_t index = 0; index < count; ++index) {
    std::vector<nb::object> both = items_of(owners_[index], "a pair of str");
    if (both.size() != 2) {
      throw Error(ErrorCode::kInvalidInput, "pair", index, "has " + std::to_string(both.size()) + " items, wanted 2");
    }
    views_.emplace_back(view_of(both[0], "text 0 of pair", index), view_of(both[1], "text 1 of pair", index));
    owners_.insert(owners_.end(), both.begin(), both.end());
  }
}

}  // namespace mlxe::python
