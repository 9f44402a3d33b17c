// A small search: what an error costs is measured for each kind of layer, the rest is arithmetic until the end.
#include "engine/bit_budget.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "convert/cast.h"
#include "convert/parallel.h"
#include "convert/quantize.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

constexpr std::array<int, 7> kLadder = {2, 3, 4, 5, 6, 8, kUnquantizedBits};
constexpr int kTrialBits = 3;     // few enough that the cost of one kind stands out
constexpr int kRounds = 8;        // of bisection: the rate is known to a 256th of its range then
constexpr double kSideBits = 32;  // a scale and a bias of 16 bits for each group

struct Layer {
  std::string path;
  std::string kind;
  double num_parameters = 0;
  std::array<double, kLadder.size()> squared_error{};  ///< relative, for each rung
};

/// The relative error at each rung, from up to 256 rows that lie evenly in the matrix.
void estimate_errors(const BudgetLayer& source, int group_size, Layer& layer) {
  constexpr std::size_t kRows = 256;
  const auto rows = static_cast<std::size_t>(source.weight.shape.front());
  const auto size = static_cast<std::size_t>(source.weight.shape.back());
  const std::size_t step = std::max<std::size_t>(1, rows / kRows);
  std::vector<std::byte> row(size * size_bytes(source.dtype));
  std::vector<std::byte> codes(size);
  std::vector<std::byte> scales(size * sizeof(float));
  std::vector<std::byte> biases(size * sizeof(float));
  for (std::size_t rung = 0; rung + 1 < kLadder.size(); ++rung) {
    QuantizationError error;
    for (std::size_t index = 0; index < rows; index += step) {
      cast(source.weight.dtype, source.weight.data + index * size * size_bytes(source.weight.dtype), size, source.dtype,
           row.data());
      error += quantize(source.dtype, row.data(), size, {QuantizationMode::kAffine, kLadder[rung], group_size},
                        {.codes = codes.data(), .scales = scales.data(), .biases = biases.data()});
    }
    layer.squared_error[rung] = error.relative() * error.relative();
  }
}

class Search {
 public:
  Search(const std::vector<BudgetLayer>& layers, const BudgetSearch& search) : search_(search), layers_(layers.size()) {
    run_parallel(layers.size(), search.threads, [&](std::size_t i) {
      layers_[i].path = layers[i].path;
      layers_[i].kind = kind_of_layer(layers[i].path);
      layers_[i].num_parameters = static_cast<double>(num_elements(layers[i].weight.shape));
      estimate_errors(layers[i], search.group_size, layers_[i]);
    });
  }

  BitChoice run() {
    const VectorDrift unquantized = measure(all_at(kUnquantizedBits));
    if (unquantized.min_cosine < search_.least_cosine) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("the cosine {:.6g} cannot be held: without any quantisation the least is {:.6f} already "
                              "(another --dtype may do)",
                              search_.least_cosine, unquantized.min_cosine));
    }
    measure_kinds(1 - unquantized.mean_cosine);
    return bisect();
  }

 private:
  [[nodiscard]] BitChoice all_at(int bits) const {
    BitChoice choice;
    for (const Layer& layer : layers_) {
      choice[layer.path] = bits;
    }
    return choice;
  }

  [[nodiscard]] double bits_per_weight(const BitChoice& choice) const {
    double bits = 0;
    double parameters = 0;
    for (const Layer& layer : layers_) {
      bits += layer.num_parameters * bits_with_sides(choice.find(layer.path)->second);
      parameters += layer.num_parameters;
    }
    return parameters > 0 ? bits / parameters : 0;
  }

  [[nodiscard]] double bits_with_sides(int bits) const {
    return bits == kUnquantizedBits ? bits : bits + kSideBits / search_.group_size;
  }

  VectorDrift measure(const BitChoice& choice) {
    const VectorDrift drift = search_.measure(choice);
    search_.say(fmt::format("Trial {}: {:.2f} bits per weight, cosine at least {:.5f}, {:.5f} on average", ++trials_,
                            bits_per_weight(choice), drift.min_cosine, drift.mean_cosine));
    return drift;
  }

  /// Cost: how far the mean cosine falls for one unit of squared relative error in a layer of that kind.
  void measure_kinds(double floor) {
    const auto* const rung = std::ranges::find(kLadder, kTrialBits);
    const auto index = static_cast<std::size_t>(rung - kLadder.begin());
    std::map<std::string, double> errors;
    for (const Layer& layer : layers_) {
      errors[layer.kind] += layer.squared_error[index];
    }
    for (const auto& [kind, error] : errors) {
      BitChoice choice = all_at(kUnquantizedBits);
      for (const Layer& layer : layers_) {
        choice[layer.path] = layer.kind == kind ? kTrialBits : kUnquantizedBits;
      }
      const double fall = std::max(1 - measure(choice).mean_cosine - floor, 1e-9);
      costs_[kind] = error > 0 ? fall / error : 0;
    }
  }

  /// The bits that are worth it at this rate: cost + rate * size is least.
  [[nodiscard]] BitChoice at_rate(double rate) const {
    BitChoice choice;
    for (const Layer& layer : layers_) {
      double best = std::numeric_limits<double>::infinity();
      for (std::size_t rung = 0; rung < kLadder.size(); ++rung) {
        const double cost = costs_.find(layer.kind)->second * layer.squared_error[rung] +
                            rate * layer.num_parameters * bits_with_sides(kLadder[rung]);
        if (cost < best) {
          best = cost;
          choice[layer.path] = kLadder[rung];
        }
      }
    }
    return choice;
  }

  /// Rates from which every layer has the fewest bits, and below which none is quantised.
  [[nodiscard]] std::pair<double, double> rates() const {
    double low = std::numeric_limits<double>::infinity();
    double high = 0;
    for (const Layer& layer : layers_) {
      const double cost = costs_.find(layer.kind)->second;
      const double most = cost * layer.squared_error.front() / layer.num_parameters;
      const double least = cost * layer.squared_error[kLadder.size() - 2] / layer.num_parameters;
      high = std::max(high, most);
      low = least > 0 ? std::min(low, least / kUnquantizedBits) : low;
    }
    return {std::isfinite(low) ? low : 1e-30, std::max(high, 1e-30)};
  }

  BitChoice bisect() {
    auto [low, high] = rates();
    BitChoice best = all_at(kUnquantizedBits);
    BitChoice last;
    bool held = false;
    for (int round = 0; round < kRounds; ++round) {
      const double rate = std::sqrt(low * high);
      const BitChoice choice = at_rate(rate);
      if (choice != last) {  // the same bits give the same vectors
        held = measure(choice).min_cosine >= search_.least_cosine;
        last = choice;
      }
      if (held) {
        best = bits_per_weight(choice) < bits_per_weight(best) ? choice : best;
        low = rate;
      } else {
        high = rate;
      }
    }
    return best;
  }

  const BudgetSearch& search_;
  std::vector<Layer> layers_;
  std::map<std::string, double> costs_;  // by kind
  int trials_ = 0;
};

}  // namespace

std::string kind_of_layer(std::string_view path) {
  std::string kind;
  for (const char letter : path) {
    const bool digit = letter >= '0' && letter <= '9';
    const bool after_dot = kind.empty() || kind.back() == '.' || kind.back() == '#';
    if (digit && after_dot) {
      kind += kind.ends_with('#') ? "" : "#";
    } else {
      kind += letter;
    }
  }
  return kind;
}

BitChoice choose_bits(const std::vector<BudgetLayer>& layers, const BudgetSearch& search) {
  if (layers.empty()) {
    return {};
  }
  return Search(layers, search).run();
}

}  // namespace mlxe
