# Tests of convert: quantisers against libmlx's, casts, plans, shards, the folders around them.
mlxe_test(convert/cast_test.cpp)
mlxe_test(convert/folder_test.cpp)
mlxe_test(convert/plan_test.cpp)
mlxe_test(convert/quantize_test.cpp LIBRARIES fmt::fmt)
mlxe_test(convert/write_weights_test.cpp LIBRARIES fmt::fmt)
