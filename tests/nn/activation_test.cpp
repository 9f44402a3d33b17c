// Activation names of transformers and torch, against what those functions return for x = 1.
#include "nn/activation.h"

#include <string>
#include <utility>

#include <gmock/gmock.h>

#include "support/expect_error.h"
#include "support/scalar_backend.h"

namespace mlxe {
namespace {

using ::testing::HasSubstr;

struct Named {
  const char* name;
  double at_one;  // printed by the oracle for x = 1.0
};

class HfActivation : public ::testing::TestWithParam<Named> {};

// ACT2FN[name](torch.tensor(1.0)) of transformers 5.23 in float64; the erf and the tanh form of GELU differ by 1.5e-4.
INSTANTIATE_TEST_SUITE_P(Names, HfActivation,
                         ::testing::Values(Named{"gelu", 0.841344746}, Named{"gelu_python", 0.841344746},
                                           Named{"gelu_new", 0.841191991}, Named{"gelu_pytorch_tanh", 0.841191991},
                                           Named{"gelu_python_tanh", 0.841191991}, Named{"gelu_fast", 0.841191991},
                                           Named{"gelu_accurate", 0.841191991}, Named{"relu", 1.0},
                                           Named{"silu", 0.731058579}, Named{"swish", 0.731058579},
                                           Named{"tanh", 0.761594156}, Named{"sigmoid", 0.731058579},
                                           Named{"quick_gelu", 0.84579577}, Named{"linear", 1.0}),
                         [](const auto& named) { return std::string(named.param.name); });

TEST_P(HfActivation, HasTheValueOfTheOracleAtOne) {
  EXPECT_NEAR(testing::reference_activation(1.0, activation_from_hf(GetParam().name)), GetParam().at_one, 1e-8);
}

TEST(HfActivationNames, TellReluFromLinearAndSiluFromSigmoid) {
  EXPECT_EQ(activation_from_hf("relu"), Activation::kRelu);
  EXPECT_EQ(activation_from_hf("linear"), Activation::kNone);
  EXPECT_EQ(activation_from_hf("silu"), Activation::kSilu);
  EXPECT_EQ(activation_from_hf("swish"), Activation::kSilu);
  EXPECT_EQ(activation_from_hf("sigmoid"), Activation::kSigmoid);
}

TEST(HfActivationNames, RefuseAnUnknownOneAndListTheKnown) {
  // gelu_10 is clipped: transformers has it, we do not.
  const std::string message =
      testing::message_of_error(ErrorCode::kUnsupported, [] { (void)activation_from_hf("gelu_10"); });
  EXPECT_THAT(message, HasSubstr("'gelu_10'"));
  EXPECT_THAT(message, HasSubstr("gelu_pytorch_tanh"));
}

TEST(TorchActivation, KnowsTheClassesByLongAndShortPath) {
  EXPECT_EQ(activation_from_torch("torch.nn.modules.activation.Tanh"), Activation::kTanh);
  EXPECT_EQ(activation_from_torch("torch.nn.modules.linear.Identity"), Activation::kNone);
  EXPECT_EQ(activation_from_torch("torch.nn.GELU"), Activation::kGeluErf);
  EXPECT_EQ(activation_from_torch("torch.nn.modules.activation.SiLU"), Activation::kSilu);
  EXPECT_EQ(activation_from_torch("torch.nn.modules.activation.ReLU"), Activation::kRelu);
  EXPECT_EQ(activation_from_torch("torch.nn.modules.activation.Sigmoid"), Activation::kSigmoid);
}

TEST(TorchActivation, RefusesAClassOfAnotherPackageEvenWithAKnownName) {
  EXPECT_ERROR(kUnsupported, "'acme.activations.Tanh'", activation_from_torch("acme.activations.Tanh"));
}

TEST(TorchActivation, RefusesAClassThatNeedsArguments) {
  EXPECT_ERROR(kUnsupported, "Threshold", activation_from_torch("torch.nn.modules.activation.Threshold"));
}

}  // namespace
}  // namespace mlxe
