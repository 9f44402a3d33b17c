# Tests of src/backend/mlx: the loader everywhere, the operations where libmlx was found.
mlxe_test(backend_mlx/loader_test.cpp DEPENDS mlx_loader LIBRARIES fmt::fmt)
add_library(mlxe_foreign_module MODULE backend_mlx/foreign_module.cpp)
add_dependencies(test_backend_mlx mlxe_foreign_module)
if(TARGET mlxe_mlx_module)
  mlxe_test(backend_mlx/ops_test.cpp)
  add_dependencies(test_backend_mlx mlxe_mlx_module)
endif()
