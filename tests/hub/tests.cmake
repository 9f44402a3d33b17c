# Tests of src/hub.
mlxe_test(hub/families_test.cpp)
mlxe_test(hub/resolve_test.cpp)
mlxe_test(hub/known_families_test.cpp)
