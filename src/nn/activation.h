// Activations by the names that checkpoints use for them.
#pragma once

#include <string_view>

#include "tensor/ops.h"

namespace mlxe {

/// The activation that `hidden_act` and its relatives in config.json name.
/// Source: ACT2FN in transformers/activations.py; several of its names are one function.
/// \throws Error{kUnsupported} listing the known names
[[nodiscard]] Activation activation_from_hf(std::string_view name);

/// The activation of a torch module class by its dotted name: "torch.nn.modules.activation.Tanh".
/// \throws Error{kUnsupported} listing the known classes, also for a class that is not torch's own
[[nodiscard]] Activation activation_from_torch(std::string_view dotted_class);

/// "gelu", "gelu_tanh", "relu", ...; "identity" for none.
[[nodiscard]] std::string_view to_string(Activation activation);

}  // namespace mlxe
