# Tests of tools/: the layers of the tree, the symbols of the kernels, and the checkers on planted violations.
find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)
add_test(NAME tools.layers COMMAND ${Python3_EXECUTABLE} tools/check_layers.py WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
add_test(NAME tools.check_layers_test COMMAND ${Python3_EXECUTABLE} -B tests/tools/check_layers_test.py
         WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
add_test(NAME tools.kernel_symbols COMMAND ${Python3_EXECUTABLE} tools/check_kernel_symbols.py
         $<TARGET_OBJECTS:mlxe_backend_cpu> $<$<TARGET_EXISTS:bench_kernels>:$<TARGET_OBJECTS:bench_kernels>>
         WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} COMMAND_EXPAND_LISTS)
add_test(NAME tools.check_kernel_symbols_test
         COMMAND ${Python3_EXECUTABLE} -B tests/tools/check_kernel_symbols_test.py WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(tools.check_kernel_symbols_test PROPERTIES ENVIRONMENT "CXX=${CMAKE_CXX_COMPILER}")
