# Tests of the tokenizer room.
mlxe_test(tokenizer/tokenizer_test.cpp)
mlxe_test(tokenizer/pairs_test.cpp)
mlxe_test(tokenizer/character_offsets_test.cpp)
mlxe_test(tokenizer/fast_path_test.cpp)
mlxe_test(tokenizer/casing_test.cpp)
mlxe_test(tokenizer/hostile_test.cpp)
mlxe_test(tokenizer/full_vocabularies_test.cpp LIBRARIES nlohmann_json::nlohmann_json fmt::fmt ZLIB::ZLIB)
