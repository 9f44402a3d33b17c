# Tests of the architectures.
mlxe_test(models/bert_test.cpp)
mlxe_test(models/registry_test.cpp)
mlxe_test(models/conformance_test.cpp DEPENDS engine weights LIBRARIES fmt::fmt)
mlxe_test(models/minilm_test.cpp DEPENDS engine LIBRARIES fmt::fmt)
if(TARGET mlxe_mlx_module)
  target_compile_definitions(test_models PRIVATE MLXE_TEST_MLX)
  add_dependencies(test_models mlxe_mlx_module)
endif()
