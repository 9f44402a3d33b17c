// The MLX backend passes the tests of every backend.
#include "backend/mlx/mlx_backend.h"
#include "support/ops_suite.h"

namespace mlxe::testing {

INSTANTIATE_TEST_SUITE_P(Mlx, OpsSuite, ::testing::Values(OpsBackend{"Mlx", load_mlx_backend}), ops_backend_name);

}  // namespace mlxe::testing
