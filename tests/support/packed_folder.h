// A copy of a model's folder whose matrices are quantised as MLX packs them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "models/shared/host_tensor.h"
#include "support/tiny_model.h"
#include "weights/checkpoint_files.h"

namespace mlxe::testing {

/// 4-bit affine codes in groups of 32.
struct PackedMatrix {
  std::vector<std::uint32_t> words;
  std::vector<float> scales;
  std::vector<float> biases;
};

inline PackedMatrix pack_affine(const std::vector<float>& values) {
  constexpr std::size_t kGroup = 32;
  PackedMatrix packed;
  for (std::size_t begin = 0; begin < values.size(); begin += kGroup) {
    const auto first = values.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto [least, most] = std::minmax_element(first, first + kGroup);
    const float bias = *least;
    const float scale = std::max(*most - bias, 1e-6F) / 15.0F;
    packed.scales.push_back(scale);
    packed.biases.push_back(bias);
    for (std::size_t word = 0; word < kGroup; word += 8) {
      std::uint32_t bits = 0;
      for (std::size_t i = 0; i < 8; ++i) {
        const float code = std::round((values[begin + word + i] - bias) / scale);
        bits |= static_cast<std::uint32_t>(std::clamp(code, 0.0F, 15.0F)) << (4 * i);
      }
      packed.words.push_back(bits);
    }
  }
  return packed;
}

/// A matrix X.weight whose rows are whole groups.
inline bool is_packable(const std::string& name, const HostTensor& tensor) {
  return tensor.shape.size() == 2 && tensor.shape[1] % 32 == 0 && name.ends_with(".weight");
}

/// Every packable matrix packed; all other files and tensors as they are.
inline TemporaryFolder packed_folder(const std::filesystem::path& source) {
  TemporaryFolder result;
  for (const auto& entry : std::filesystem::directory_iterator(source)) {
    const std::string name = entry.path().filename().string();
    if (name.find(".safetensors") == std::string::npos) {
      std::filesystem::copy(entry.path(), result.path() / name, std::filesystem::copy_options::recursive);
    }
  }
  Json header;
  std::string data;
  const auto add = [&](const std::string& name, std::string_view dtype, const Shape& shape, const void* bytes,
                       std::size_t size) {
    const std::size_t begin = data.size();
    data.append(static_cast<const char*>(bytes), size);
    header[name] = {{"dtype", dtype}, {"shape", shape}, {"data_offsets", {begin, data.size()}}};
  };
  for (const auto& [name, stored] : read_checkpoint(source)) {
    const HostTensor& tensor = stored.tensor;
    Shape shape = tensor.shape;
    if (!is_packable(name, tensor)) {
      add(name, stored.dtype, shape, tensor.data, data_bytes(tensor));
      continue;
    }
    const PackedMatrix packed = pack_affine(to_floats(tensor));
    const std::string path = name.substr(0, name.size() - std::string_view(".weight").size());
    add(name, "U32", {shape[0], shape[1] / 8}, packed.words.data(), packed.words.size() * sizeof(std::uint32_t));
    shape[1] /= 32;
    add(path + ".scales", "F32", shape, packed.scales.data(), packed.scales.size() * sizeof(float));
    add(path + ".biases", "F32", shape, packed.biases.data(), packed.biases.size() * sizeof(float));
  }
  const std::string text = header.dump();
  const std::uint64_t size = text.size();
  result.write("model.safetensors", std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + text + data);
  Json config = load_json(source / "config.json");
  config["quantization"] = {{"bits", 4}, {"group_size", 32}, {"mode", "affine"}};
  result.write_json("config.json", config);
  return result;
}

}  // namespace mlxe::testing
