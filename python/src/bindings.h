// What each file of the module adds to it.
#pragma once

#include <nanobind/nanobind.h>

#include "loaded_engine.h"

namespace mlxe::python {

using EngineClass = nanobind::class_<LoadedEngine>;

void bind_errors();
void bind_info(nanobind::module_& module);
void bind_vectors(EngineClass& engine);
void bind_scores(EngineClass& engine);
void bind_tokens(EngineClass& engine);
void bind_similarity(nanobind::module_& module);
void bind_conversion(nanobind::module_& module);

}  // namespace mlxe::python
