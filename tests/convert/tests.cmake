# Tests of convert: quantisers against libmlx's, casts, plans, shards, the folders around them.
mlxe_test(convert/cast_test.cpp)
mlxe_test(convert/quantize_test.cpp LIBRARIES fmt::fmt)
