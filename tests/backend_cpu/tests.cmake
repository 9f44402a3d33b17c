# Tests of src/backend/cpu; the operations themselves run through the suite that every backend passes.
mlxe_test(backend_cpu/arena_test.cpp)
mlxe_test(backend_cpu/available_threads_test.cpp)
mlxe_test(backend_cpu/instruction_set_test.cpp)
mlxe_test(backend_cpu/kernels_test.cpp)
mlxe_test(backend_cpu/ops_test.cpp)
mlxe_test(backend_cpu/precision_test.cpp)
mlxe_test(backend_cpu/team_test.cpp)
mlxe_test(backend_cpu/worker_pool_test.cpp)
