// The scalings of rotary embeddings: what each does to the inverse frequencies.
#include "models/shared/rope_config.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "mlxe/error.h"

namespace mlxe {
namespace {

// Above 1, so that its logarithm divides; far above any model that there is.
constexpr double kMinTheta = 1.001;
constexpr double kMaxTheta = 1e12;
constexpr double kMaxFactor = 1e6;
constexpr int kMaxPositions = 1 << 30;

/// The object that describes these layers, and the file's outer fields.
struct RopeFields {
  JsonFields parameters;
  JsonFields config;
  bool is_of_layers = false;  // an entry of rope_parameters: what stands outside is not for it
};

/// An entry with the values of rope_scaling in place of its own.
JsonFields merged(const JsonFields& entry, const JsonFields& config) {
  Json both = entry.json();
  both.update(JsonFields(config.at("rope_scaling"), config.what() + ": rope_scaling").json());
  const JsonFields result(both, entry.what() + " with rope_scaling");
  // transformers goes by the newer word even where the older one is the scaling's.
  if (result.has("rope_type") && result.has("type") && result.at("rope_type") != result.at("type")) {
    throw Error(ErrorCode::kCorruptModel, fmt::format("{}: 'rope_type' is {}, but 'type' is {}", result.what(),
                                                      result.at("rope_type").dump(), result.at("type").dump()));
  }
  return result;
}

RopeFields find_parameters(const JsonFields& config, const RopeQuery& query) {
  const auto entry = [&](const Json& object, std::string_view path) {
    return RopeFields{JsonFields(object, fmt::format("{}: {}", config.what(), path)), config};
  };
  const bool has_scaling = query.uses_rope_scaling && config.has("rope_scaling") && !config.at("rope_scaling").empty();
  if (config.has("rope_parameters")) {
    const JsonFields all(config.at("rope_parameters"), config.what() + ": rope_parameters");
    if (all.has(query.layer_type)) {
      RopeFields fields = entry(all.at(query.layer_type), fmt::format("rope_parameters: {}", query.layer_type));
      fields.is_of_layers = true;
      if (has_scaling) {
        fields.parameters = merged(fields.parameters, config);
      }
      return fields;
    }
  }
  if (has_scaling || !config.has("rope_parameters")) {
    return entry(has_scaling ? config.at("rope_scaling") : Json::object(), "rope_scaling");
  }
  const JsonFields all(config.at("rope_parameters"), config.what() + ": rope_parameters");
  const bool is_nested = std::ranges::any_of(all.json(), [](const Json& value) { return value.is_object(); });
  return entry(is_nested ? Json::object() : all.json(), "rope_parameters");
}

double theta_of(const RopeFields& fields, std::string_view key) {
  if (fields.parameters.has("rope_theta")) {
    return fields.parameters.number("rope_theta", kMinTheta, kMaxTheta);
  }
  return fields.config.number(key, kMinTheta, kMaxTheta);
}

int rotary_dim_of(const RopeFields& fields, int head_dim) {
  const JsonFields& owner = fields.parameters.has("partial_rotary_factor") ? fields.parameters : fields.config;
  const double part = owner.number("partial_rotary_factor", 0.0, 1.0, 1.0);
  const int dim = static_cast<int>(head_dim * part);
  if (dim < 2 || dim % 2 != 0) {
    throw Error(ErrorCode::kCorruptModel,
                fmt::format("{}: rotary embeddings turn {} of the {} values of a head, wanted an even number above 0",
                            fields.config.what(), dim, head_dim));
  }
  return dim;
}

int original_positions(const RopeFields& fields) {
  constexpr const char* kKey = "original_max_position_embeddings";
  // Some families keep it outside, and there it has precedence.
  for (const JsonFields* owner : {&fields.config, &fields.parameters}) {
    if (owner->has(kKey) && !(fields.is_of_layers && owner == &fields.config)) {
      return owner->integer(kKey, 1, kMaxPositions);
    }
  }
  return fields.config.integer("max_position_embeddings", 1, kMaxPositions);
}

RopeFrequencies linear(const RopeFields& fields, double theta, int dim) {
  const auto factor = static_cast<float>(fields.parameters.number("factor", 1e-6, kMaxFactor));
  RopeFrequencies rope{.inverse = inverse_frequencies(theta, dim)};
  for (float& frequency : rope.inverse) {
    frequency /= factor;
  }
  return rope;
}

RopeFrequencies llama3(const RopeFields& fields, double theta, int dim) {
  const auto factor = static_cast<float>(fields.parameters.number("factor", 1e-6, kMaxFactor));
  const auto low = static_cast<float>(fields.parameters.number("low_freq_factor", 1e-6, kMaxFactor));
  const auto high = static_cast<float>(fields.parameters.number("high_freq_factor", 1e-6, kMaxFactor));
  if (low >= high) {
    throw Error(ErrorCode::kCorruptModel, fmt::format("{}: 'low_freq_factor' is {}, wanted less than "
                                                      "'high_freq_factor', which is {}",
                                                      fields.parameters.what(), low, high));
  }
  const auto context = static_cast<float>(original_positions(fields));
  RopeFrequencies rope{.inverse = inverse_frequencies(theta, dim)};
  for (float& frequency : rope.inverse) {
    const float wavelength = 2.0F * std::numbers::pi_v<float> / frequency;
    if (wavelength > context / low) {
      frequency /= factor;
    } else if (wavelength >= context / high) {
      const float smooth = (context / wavelength - low) / (high - low);
      frequency = (1.0F - smooth) * frequency / factor + smooth * frequency;
    }
  }
  return rope;
}

float yarn_attention_factor(const JsonFields& parameters, double factor) {
  if (parameters.has("attention_factor")) {
    return static_cast<float>(parameters.number("attention_factor", 0.0, kMaxFactor));
  }
  const auto mscale = [&](double gain) { return factor <= 1.0 ? 1.0 : 0.1 * gain * std::log(factor) + 1.0; };
  const double gain = parameters.number("mscale", 0.0, kMaxFactor, 0.0);
  const double all_dim = parameters.number("mscale_all_dim", 0.0, kMaxFactor, 0.0);
  return static_cast<float>(gain != 0.0 && all_dim != 0.0 ? mscale(gain) / mscale(all_dim) : mscale(1.0));
}

RopeFrequencies yarn(const RopeFields& fields, double theta, int dim) {
  const JsonFields& parameters = fields.parameters;
  const double context = original_positions(fields);
  const double factor = parameters.has("factor")
                            ? parameters.number("factor", 1e-6, kMaxFactor)
                            : fields.config.integer("max_position_embeddings", 1, kMaxPositions) / context;
  // The dimension whose wave turns so often within the original context.
  const auto dimension_of = [&](const char* key, double fallback) {
    const double written = parameters.number(key, 0.0, kMaxFactor, 0.0);
    const double turns = written == 0.0 ? fallback : written;
    return dim * std::log(context / (turns * 2.0 * std::numbers::pi)) / (2.0 * std::log(theta));
  };
  double low = dimension_of("beta_fast", 32.0);
  double high = dimension_of("beta_slow", 1.0);
  if (parameters.boolean("truncate", true)) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1.0);
  if (low == high) {
    high += 0.001;  // as transformers does against the division by zero
  }

  RopeFrequencies rope{.inverse = inverse_frequencies(theta, dim), .scale = yarn_attention_factor(parameters, factor)};
  for (std::size_t i = 0; i < rope.inverse.size(); ++i) {
    const float extrapolated = rope.inverse[i];
    const float interpolated = extrapolated / static_cast<float>(factor);
    const float ramp = (static_cast<float>(i) - static_cast<float>(low)) / static_cast<float>(high - low);
    const float kept = 1.0F - std::clamp(ramp, 0.0F, 1.0F);
    rope.inverse[i] = interpolated * (1.0F - kept) + extrapolated * kept;
  }
  return rope;
}

/// theta^(2 i / rotary_dim)
std::vector<float> wavelengths(double theta, int rotary_dim) {
  std::vector<float> lengths;
  for (int i = 0; i < rotary_dim; i += 2) {
    const float exponent = static_cast<float>(i) / static_cast<float>(rotary_dim);
    lengths.push_back(static_cast<float>(std::pow(theta, static_cast<double>(exponent))));
  }
  return lengths;
}

/// 1 / (factor * wavelength), with a factor of its own for each.
std::vector<float> stretched(const JsonFields& parameters, const char* key, std::vector<float> lengths) {
  const Json& factors = parameters.at(key);
  const bool is_list =
      factors.is_array() && factors.size() == lengths.size() && std::ranges::all_of(factors, [](const Json& factor) {
        return factor.is_number() && factor.get<double>() > 0.0 && factor.get<double>() <= kMaxFactor;
      });
  if (!is_list) {
    throw Error(
        ErrorCode::kCorruptModel,
        fmt::format("{}: '{}' is {}, wanted a list of {} numbers above 0", parameters.what(), key,
                    factors.is_array() ? fmt::format("a list of {}", factors.size()) : factors.dump(), lengths.size()));
  }
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    lengths[i] = 1.0F / (factors[i].get<float>() * lengths[i]);
  }
  return lengths;
}

RopeFrequencies longrope(const RopeFields& fields, double theta, int dim) {
  const JsonFields& parameters = fields.parameters;
  const int context = original_positions(fields);
  const double factor =
      parameters.has("factor")
          ? parameters.number("factor", 1e-6, kMaxFactor)
          : static_cast<double>(fields.config.integer("max_position_embeddings", 1, kMaxPositions)) / context;
  const double inferred =
      factor <= 1.0 ? 1.0 : std::sqrt(1.0 + std::log(factor) / std::log(static_cast<double>(std::max(context, 2))));
  return {.inverse = stretched(parameters, "short_factor", wavelengths(theta, dim)),
          .scale = static_cast<float>(parameters.number("attention_factor", 0.0, kMaxFactor, inferred)),
          .long_inverse = stretched(parameters, "long_factor", wavelengths(theta, dim)),
          .short_context = context};
}

}  // namespace

std::vector<float> inverse_frequencies(double theta, int rotary_dim) {
  std::vector<float> inverse = wavelengths(theta, rotary_dim);
  for (float& value : inverse) {
    value = 1.0F / value;
  }
  return inverse;
}

RopeFrequencies read_rope(const JsonFields& config, const RopeQuery& query) {
  const RopeFields fields = find_parameters(config, query);
  const double theta = theta_of(fields, query.theta_key);
  const int dim = rotary_dim_of(fields, query.head_dim);
  const std::string type = fields.parameters.text("rope_type", fields.parameters.text("type", "default"));
  if (type == "default") {
    return {.inverse = inverse_frequencies(theta, dim)};
  }
  if (type == "linear") {
    return linear(fields, theta, dim);
  }
  if (type == "dynamic") {
    // It stretches the waves beyond max_position_embeddings only, which is as far as models go here.
    (void)fields.parameters.number("factor", 1e-6, kMaxFactor);
    return {.inverse = inverse_frequencies(theta, dim)};
  }
  if (type == "yarn") {
    return yarn(fields, theta, dim);
  }
  if (type == "longrope") {
    return longrope(fields, theta, dim);
  }
  if (type == "llama3") {
    return llama3(fields, theta, dim);
  }
  throw Error(
      ErrorCode::kUnsupported,
      fmt::format("{}: rope type '{}' is not supported, wanted one of: default, linear, dynamic, yarn, longrope, "
                  "llama3",
                  fields.parameters.what(), type));
}

}  // namespace mlxe
