// ScalarBackend: runs ScalarOps; the oracle that engine and model tests run on.
#pragma once

#include <atomic>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "mlxe/error.h"
#include "support/scalar_ops.h"
#include "tensor/backend.h"

namespace mlxe::testing {

class ScalarBackend final : public Backend {
 public:
  explicit ScalarBackend(int threads = 1, std::size_t batch_tokens = 64)
      : threads_(threads), batch_tokens_(batch_tokens) {}

  BackendInfo info() const override {
    return {.device = "scalar",
            .instruction_set = "",
            .precision = "fp32",
            .precision_reason = "the only one",
            .threads = threads_,
            .batch_tokens = batch_tokens_};
  }

  LinearWeight linear_weight(std::span<const LinearPart> parts) override {
    auto storage = std::make_shared<ScalarWeight>();
    LinearWeight linear;
    for (const LinearPart& part : parts) {
      if (!part.weight.has_data() || (part.bias && !part.bias->has_data())) {
        return {};
      }
      linear.in_features = part.weight.shape[1];
      linear.out_features += part.weight.shape[0];
      append(storage->weight, part.weight);
      if (part.bias) {
        append(storage->bias, *part.bias);
      }
      storage->bias.resize(static_cast<std::size_t>(linear.out_features));
    }
    linear.storage = std::move(storage);
    return linear;
  }

  EmbeddingTable embedding_table(const HostTensor& weight) override {
    if (!weight.has_data()) {
      return {};
    }
    auto storage = std::make_shared<ScalarWeight>();
    append(storage->weight, weight);
    return {weight.shape[0], weight.shape[1], std::move(storage)};
  }

  PositionTable position_table(const HostTensor& weight, int /*num_heads*/, Compared /*compared*/) override {
    const EmbeddingTable table = embedding_table(weight);
    return {table.rows, table.columns, table.storage};
  }

  using Backend::norm_weight;
  NormWeight norm_weight(const HostTensor& weight, const std::optional<HostTensor>& bias, float scale_offset) override {
    if (!weight.has_data() || (bias && !bias->has_data())) {
      return {};
    }
    auto storage = std::make_shared<ScalarWeight>();
    append(storage->weight, weight);
    for (float& scale : storage->weight) {
      scale += scale_offset;
    }
    if (bias) {
      append(storage->bias, *bias);
    }
    storage->bias.resize(storage->weight.size());
    return {weight.shape[0], std::move(storage)};
  }

  ConvWeight conv_weight(const HostTensor& weight, const std::optional<HostTensor>& bias) override {
    if (!weight.has_data() || (bias && !bias->has_data())) {
      return {};
    }
    auto storage = std::make_shared<ScalarWeight>();
    append(storage->weight, weight);
    if (bias) {
      append(storage->bias, *bias);
    }
    return {weight.shape[0], weight.shape.back(), std::move(storage)};
  }

  void run(std::size_t num_tasks, const std::function<void(Ops&, std::size_t)>& task) override {
    std::atomic<std::size_t> next = 0;
    std::exception_ptr failure;
    std::mutex failure_mutex;
    const auto work = [&] {
      ScalarOps ops;
      for (std::size_t index = next++; index < num_tasks; index = next++) {
        try {
          task(ops, index);
        } catch (...) {
          const std::lock_guard lock(failure_mutex);
          failure = failure ? failure : std::current_exception();
          next = num_tasks;
        }
      }
    };
    std::vector<std::jthread> helpers;
    for (int thread = 1; thread < threads_; ++thread) {
      helpers.emplace_back(work);
    }
    work();
    helpers.clear();  // joins
    if (failure) {
      std::rethrow_exception(failure);
    }
  }

 private:
  static void append(std::vector<float>& values, const HostTensor& tensor) {
    if (tensor.dtype != DType::kFloat32) {
      throw Error(ErrorCode::kUnsupported, "the scalar backend reads float32 only");
    }
    const std::size_t old_size = values.size();
    values.resize(old_size + num_elements(tensor.shape));
    std::memcpy(values.data() + old_size, tensor.data, num_elements(tensor.shape) * sizeof(float));
  }

  int threads_;
  std::size_t batch_tokens_;
};

}  // namespace mlxe::testing
