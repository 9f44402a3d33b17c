// Converting model folders.
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
#include "mlxe/convert.h"
#include "mlxe/hub.h"

namespace mlxe::python {

namespace nb = nanobind;

namespace {

/// \param on_message  called with "info" or "warning" and a text, when the conversion is done
ConversionReport convert(const std::string& model, ConvertOptions options, const nb::object& on_message) {
  std::vector<std::pair<Severity, std::string>> messages;
  options.on_message = [&](Severity severity, const std::string& text) { messages.emplace_back(severity, text); };
  Call call;
  const auto go_on = call.progress();
  options.on_progress = [&](const ConvertProgress& progress) {
    return go_on({.done = progress.done_bytes, .total = progress.total_bytes, .tokens = 0});
  };
  options.hub.on_progress = call.transfer();
  ConversionReport report = call.run([&] { return convert_model(model, options); });
  for (const auto& [severity, text] : messages) {
    on_message(severity == Severity::kWarning ? "warning" : "info", text);
  }
  return report;
}

}  // namespace

void bind_conversion(nb::module_& module) {
  using nb::literals::operator""_a;
  nb::class_<QuantizedLayer>(module, "QuantizedLayer", "A layer that was quantised, and how far that moved it.")
      .def_ro("path", &QuantizedLayer::path)
      .def_ro("bits", &QuantizedLayer::bits)
      .def_ro("group_size", &QuantizedLayer::group_size)
      .def_ro("mode", &QuantizedLayer::mode)
      .def_ro("num_parameters", &QuantizedLayer::num_parameters)
      .def_ro("relative_error", &QuantizedLayer::relative_error)
      .def_ro("largest_error", &QuantizedLayer::largest_error);
  nb::class_<ConversionReport>(module, "ConversionReport", "What became of a model.")
      .def_ro("source", &ConversionReport::source)
      .def_ro("path", &ConversionReport::path)
      .def_ro("dtype", &ConversionReport::dtype)
      .def_ro("source_bytes", &ConversionReport::source_bytes)
      .def_ro("bytes", &ConversionReport::bytes)
      .def_ro("bits_per_weight", &ConversionReport::bits_per_weight)
      .def_ro("layers", &ConversionReport::layers)
      .def_ro("skipped", &ConversionReport::skipped)
      .def_ro("num_texts", &ConversionReport::num_texts)
      .def_ro("min_cosine", &ConversionReport::min_cosine)
      .def_ro("mean_cosine", &ConversionReport::mean_cosine);
  module.def(
      "convert_model",
      [](const std::string& model, const std::string& mlx_path, bool overwrite, std::optional<std::string> dtype,
         bool quantize, const std::string& q_mode, std::optional<int> q_group_size, std::optional<int> q_bits,
         std::optional<std::string> recipe, bool skip_vision, std::optional<double> error_budget,
         std::vector<std::string> calibration_texts, bool measure, bool dequantize, int threads,
         std::optional<std::string> revision, const nb::object& on_message) {
        ConvertOptions options;
        options.mlx_path = mlx_path;
        options.overwrite = overwrite;
        options.dtype = std::move(dtype);
        options.quantize = quantize;
        options.q_mode = q_mode;
        options.q_group_size = q_group_size;
        options.q_bits = q_bits;
        options.recipe = std::move(recipe);
        options.skip_vision = skip_vision;
        options.error_budget = error_budget;
        options.calibration_texts = std::move(calibration_texts);
        options.measure = measure;
        options.dequantize = dequantize;
        options.threads = threads;
        options.hub.revision = std::move(revision);
        return convert(model, std::move(options), on_message);
      },
      "model"_a, nb::kw_only(), "mlx_path"_a, "overwrite"_a = false, "dtype"_a = nb::none(), "quantize"_a = false,
      "q_mode"_a = "affine", "q_group_size"_a = nb::none(), "q_bits"_a = nb::none(), "recipe"_a = nb::none(),
      "skip_vision"_a = true, "error_budget"_a = nb::none(), "calibration_texts"_a = std::vector<std::string>(),
      "measure"_a = false, "dequantize"_a = false, "threads"_a = 0, "revision"_a = nb::none(), "on_message"_a,
      "Writes a model folder in another type or in one of MLX's quantised formats; it appears complete or not at all.");
  module.def("check_upload", &check_upload, "repository"_a, "revision"_a = "main",
             "Raises what upload_folder would before it asks anything.");
  module.def(
      "upload_folder",
      [](const std::string& folder, const std::string& repository) {
        Call call;
        UploadOptions options;
        options.on_progress = call.transfer();
        return call.run([&] { return upload_folder(folder, repository, options); }).url;
      },
      "folder"_a, "repository"_a,
      "Puts a folder's files into a repository of the hub, as one commit; gives its address.");
}

}  // namespace mlxe::python
