// ModelInfo, read only.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "mlxe/output.h"

namespace mlxe::python {

namespace nb = nanobind;

void bind_info(nb::module_& module) {
  nb::class_<ModelInfo>(module, "ModelInfo", "What is loaded, and which file or option decided each choice.")
      .def_ro("path", &ModelInfo::path)
      .def_ro("adapter", &ModelInfo::adapter)
      .def_ro("model_type", &ModelInfo::model_type)
      .def_ro("task", &ModelInfo::task)
      .def_ro("task_source", &ModelInfo::task_source)
      .def_ro("labels", &ModelInfo::labels)
      .def_ro("score_function", &ModelInfo::score_function)
      .def_ro("is_listwise", &ModelInfo::is_listwise)
      .def_ro("mask_token", &ModelInfo::mask_token)
      .def_ro("vocab_size", &ModelInfo::vocab_size)
      .def_ro("num_token_types", &ModelInfo::num_token_types)
      .def_ro("hidden_size", &ModelInfo::hidden_size)
      .def_ro("num_layers", &ModelInfo::num_layers)
      .def_ro("embedding_dim", &ModelInfo::embedding_dim)
      .def_ro("num_parameters", &ModelInfo::num_parameters)
      .def_ro("checkpoint_dtype", &ModelInfo::checkpoint_dtype)
      .def_ro("float_dtype", &ModelInfo::float_dtype)
      .def_ro("pooling", &ModelInfo::pooling)
      .def_ro("pooling_source", &ModelInfo::pooling_source)
      .def_ro("normalize_declared", &ModelInfo::normalize_declared)
      .def_ro("modules", &ModelInfo::modules)
      .def_ro("max_length", &ModelInfo::max_length)
      .def_ro("max_length_source", &ModelInfo::max_length_source)
      .def_ro("max_positions", &ModelInfo::max_positions)
      .def_ro("prompt_names", &ModelInfo::prompt_names)
      .def_ro("default_prompt_name", &ModelInfo::default_prompt_name)
      .def_ro("prompt_source", &ModelInfo::prompt_source)
      .def_ro("matryoshka_dims", &ModelInfo::matryoshka_dims)
      .def_ro("late_interaction", &ModelInfo::late_interaction)
      .def_ro("combined", &ModelInfo::combined)
      .def_ro("device", &ModelInfo::device)
      .def_ro("precision", &ModelInfo::precision)
      .def_ro("precision_reason", &ModelInfo::precision_reason)
      .def_ro("instruction_set", &ModelInfo::instruction_set)
      .def_ro("threads", &ModelInfo::threads)
      .def_ro("warnings", &ModelInfo::warnings);
}

}  // namespace mlxe::python
