// mlxe::Error as the classes of mlx_embeddings.errors.
#include <exception>

#include <nanobind/nanobind.h>

#include "bindings.h"
#include "mlxe/error.h"

namespace mlxe::python {
namespace {

namespace nb = nanobind;

const char* class_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidInput: return "InvalidInputError";
    case ErrorCode::kTooLong: return "TooLongError";
    case ErrorCode::kModelNotFound: return "ModelNotFoundError";
    case ErrorCode::kCorruptModel: return "CorruptModelError";
    case ErrorCode::kUnsupported: return "UnsupportedError";
    case ErrorCode::kIo: return "FileError";
    case ErrorCode::kOutOfMemory: return "OutOfMemoryError";
    case ErrorCode::kNonFinite: return "NonFiniteError";
    case ErrorCode::kCancelled: return "CancelledError";
    case ErrorCode::kInternal: break;
  }
  return "InternalError";
}

void set_error(const Error& error) {
  try {
    const nb::object type = nb::module_::import_("mlx_embeddings.errors").attr(class_name(error.code()));
    const nb::object raised = type(nb::str(error.what()));
    raised.attr("item") = error.item() ? nb::object(nb::int_(*error.item())) : nb::none();
    PyErr_SetObject(type.ptr(), raised.ptr());
  } catch (nb::python_error& other) {  // the interpreter is going down, or its memory is
    other.restore();
  }
}

}  // namespace

void bind_errors() {
  nb::register_exception_translator([](const std::exception_ptr& raised, void* /*payload*/) {
    try {
      std::rethrow_exception(raised);
    } catch (const Error& error) {
      set_error(error);
    }
  });
}

}  // namespace mlxe::python
