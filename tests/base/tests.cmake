# Tests of base: JSON, files, hashes, text.
mlxe_test(base/half_test.cpp)
