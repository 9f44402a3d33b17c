// Vectors into .npy, .safetensors and JSON lines files, complete or not at all.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "mlxe/output.h"

namespace mlxe::cli {

enum class VectorFormat { kNpy, kSafetensors, kJsonLines };

/// The format named by --format, or by the ending of the path.
/// \throws Error{kInvalidInput} for an ending that names none
[[nodiscard]] VectorFormat vector_format(const std::string& path, const std::optional<std::string>& name);

/// Appends one text's vector and report as a line of JSON.
/// \param row    of `embeddings`
/// \param index  of the text in the whole input
void append_json_line(std::string& out, const Embeddings& embeddings, std::size_t row, std::size_t index);

/// The same for a text with one vector for each token.
/// \param index  of the text in the whole input
void append_json_line(std::string& out, const MultiVector& item, std::size_t index);

/// Takes vectors window after window. finish() puts the file in place; without it nothing is left behind.
/// A pipe or device (/dev/stdout) gets the bytes directly: .npy and .safetensors then wait in memory for finish(),
/// as their headers hold the number of rows.
class VectorFile {
 public:
  /// Creates the temporary file, so that an unwritable place shows before a model is loaded.
  /// \param model  the model's name, kept in the metadata of .safetensors
  /// \throws Error{kIo}
  VectorFile(const std::string& path, VectorFormat format, std::string model);
  ~VectorFile();
  VectorFile(const VectorFile&) = delete;
  VectorFile& operator=(const VectorFile&) = delete;

  void append(const Embeddings& embeddings);  ///< throws Error{kIo}: a full disk
  /// Texts with one vector for each token; one file has either these or the others. In .safetensors the tensor
  /// `embeddings` then has the vectors of all texts, and text i those from offsets[i] to offsets[i + 1].
  /// \throws Error{kInvalidInput} for .npy, which holds one array
  void append(std::span<const MultiVector> items);
  void finish();  ///< throws Error{kIo}

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mlxe::cli
