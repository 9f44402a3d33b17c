// The tests that every backend passes, against scalar twins. Include it once in a test binary and instantiate:
//   INSTANTIATE_TEST_SUITE_P(Mlx, OpsSuite, ::testing::Values(OpsBackend{"Mlx", load_mlx_backend}), ops_backend_name);
#pragma once

#include "support/ops_suite_attention.h"
#include "support/ops_suite_backend.h"
#include "support/ops_suite_layers.h"
#include "support/ops_suite_masks.h"
#include "support/ops_suite_nan.h"
#include "support/ops_suite_products.h"
#include "support/ops_suite_quantized.h"
#include "support/ops_suite_rows.h"
