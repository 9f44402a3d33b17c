// Tensor: a handle on a backend's activation; HostTensor: a view of a weight in memory; Shape.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tensor/dtype.h"

namespace mlxe {

class MappedFile;
struct Quantization;

using Shape = std::vector<int>;

/// "[30522, 384]"
[[nodiscard]] std::string to_string(const Shape& shape);
/// Product of the dimensions; 1 for a scalar.
[[nodiscard]] std::size_t num_elements(const Shape& shape);

/// A backend's own storage of an activation. Each backend derives its own and casts back to it.
class TensorStorage {
 public:
  virtual ~TensorStorage() = default;
};

/// An activation inside a backend: two-dimensional, [rows, columns]. Cheap to copy; copies share the storage.
class Tensor {
 public:
  Tensor() = default;
  Tensor(int rows, int columns, std::shared_ptr<TensorStorage> storage)
      : rows_(rows), columns_(columns), storage_(std::move(storage)) {}

  [[nodiscard]] int rows() const { return rows_; }
  [[nodiscard]] int columns() const { return columns_; }
  [[nodiscard]] bool empty() const { return storage_ == nullptr; }
  [[nodiscard]] TensorStorage* storage() const { return storage_.get(); }
  [[nodiscard]] const std::shared_ptr<TensorStorage>& shared_storage() const { return storage_; }

 private:
  int rows_ = 0;
  int columns_ = 0;
  std::shared_ptr<TensorStorage> storage_;  // shared by the tensor's copies and by column views of it
};

/// A weight as the checkpoint has it: row-major elements in memory that `owner` keeps alive.
/// A weight that was missing or misshapen has no data; packing it gives an empty handle, and the loader
/// reports all such weights at once before anything runs.
struct HostTensor {
  DType dtype = DType::kFloat32;
  Shape shape;
  const std::byte* data = nullptr;
  std::shared_ptr<const void> owner;  // the mapped file, shared by all weights that lie in it
  const MappedFile* file = nullptr;   // that file, if it is one: pages of data that was copied can be released
  // Set: `data` holds packed codes (tensor/quantization.h); shared by the copies of this view.
  std::shared_ptr<const Quantization> quantization = nullptr;

  [[nodiscard]] bool has_data() const { return data != nullptr; }
};

/// Bytes at `data`.
[[nodiscard]] std::size_t data_bytes(const HostTensor& tensor);

/// Tells the system that a weight's data was copied and its pages are not needed for now; data that lies in no mapped
/// file stays as it is.
void release_pages(const HostTensor& tensor);

}  // namespace mlxe
