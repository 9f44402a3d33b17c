// The module mlx_embeddings._core: the public headers for Python; numpy arrays go in and out.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "call.h"
#include "choices.h"
#include "mlxe/families.h"
#include "mlxe/hub.h"
#include "mlxe/version.h"

namespace nb = nanobind;

namespace mlxe::python {
namespace {

using nb::literals::operator""_a;

LoadedEngine load(const std::string& model, const std::string& task, const std::string& device,
                  const std::string& precision, int threads, std::optional<std::string> pooling,
                  std::optional<std::string> adapter, bool expand_quantized, std::optional<std::string> revision,
                  bool offline) {
  LoadOptions options;
  options.task = to_task(task);
  options.device = to_device(device);
  options.precision = to_precision(precision);
  options.threads = threads;
  options.pooling = std::move(pooling);
  options.adapter = std::move(adapter);
  options.expand_quantized = expand_quantized;
  options.hub.revision = std::move(revision);
  options.hub.offline = offline;
  Call call;
  options.hub.on_progress = call.transfer();
  return call.run([&] { return LoadedEngine(Engine::load(model, options)); });
}

std::string folder_of(const std::string& name, std::optional<std::string> revision, bool offline) {
  HubOptions options;
  options.revision = std::move(revision);
  options.offline = offline;
  Call call;
  options.on_progress = call.transfer();
  return call.run([&] { return find_model(name, options).folder; });
}

void bind_names(nb::module_& module) {
  nb::class_<ModelFamily>(module, "ModelFamily", "Models whose short names are known.")
      .def_ro("name", &ModelFamily::name)
      .def_ro("model_type", &ModelFamily::model_type)
      .def_ro("default_model", &ModelFamily::default_model)
      .def_ro("variants", &ModelFamily::variants)
      .def_ro("aliases", &ModelFamily::aliases);
  module.def("model_families", &model_families, "All known families, sorted by name.");
  module.def("canonical_model_name", &canonical_model_name, "name"_a,
             "What a name stands for: an alias for its repository, anything else for itself.");
  module.def("find_model", &folder_of, "name"_a, nb::kw_only(), "revision"_a = nb::none(), "offline"_a = false,
             "The folder that a name stands for; what the Hugging Face cache lacks of it is downloaded.");
  module.def("supported_model_types", &supported_model_types, "The values of model_type that can be loaded.");
}

}  // namespace
}  // namespace mlxe::python

NB_MODULE(_core, module) {
  using nb::literals::operator""_a;
  module.doc() = "The engine: C++ underneath, numpy arrays in and out. The package above it is mlx_embeddings.";
  module.attr("version") = MLXE_VERSION;
  mlxe::python::bind_errors();
  mlxe::python::bind_info(module);
  mlxe::python::bind_names(module);
  mlxe::python::EngineClass engine(module, "Engine",
                                   "A loaded model. It never changes, and may be called from many threads at once.");
  engine.def_static("load", &mlxe::python::load, "model"_a, nb::kw_only(), "task"_a = "auto", "device"_a = "auto",
                    "precision"_a = "auto", "threads"_a = 0, "pooling"_a = nb::none(), "adapter"_a = nb::none(),
                    "expand_quantized"_a = false, "revision"_a = nb::none(), "offline"_a = false,
                    "Loads a folder or a GGUF file, or a name, downloading what the Hugging Face cache lacks.");
  engine.def_prop_ro(
      "info",
      [](const mlxe::python::LoadedEngine& self) -> const mlxe::ModelInfo& { return self.without_threads().info(); },
      nb::rv_policy::reference_internal, "What is loaded, and what decided each choice.");
  mlxe::python::bind_vectors(engine);
  mlxe::python::bind_scores(engine);
  mlxe::python::bind_tokens(engine);
  mlxe::python::bind_similarity(module);
  mlxe::python::bind_conversion(module);
}
