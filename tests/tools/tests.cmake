# Tests of tools/: the layers of the tree, and the checker itself on trees with planted violations.
find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)
add_test(NAME tools.layers COMMAND ${Python3_EXECUTABLE} tools/check_layers.py WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
add_test(NAME tools.check_layers_test COMMAND ${Python3_EXECUTABLE} -B tests/tools/check_layers_test.py
         WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
