# Tests of base: JSON, files, hashes, text, log.
mlxe_test(base/atomic_file_test.cpp)
mlxe_test(base/files_test.cpp)
mlxe_test(base/half_test.cpp)
mlxe_test(base/hash_test.cpp)
mlxe_test(base/json_test.cpp)
mlxe_test(base/log_test.cpp)
mlxe_test(base/nearest_test.cpp)
mlxe_test(base/utf8_test.cpp)
