# Tests of the nn room.
mlxe_test(nn/activation_test.cpp)
mlxe_test(nn/decoder_test.cpp)
mlxe_test(nn/dense_test.cpp)
mlxe_test(nn/moe_test.cpp)
mlxe_test(nn/pooling_test.cpp)
