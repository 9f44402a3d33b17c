# Tests of weights: the format's rules, shards, and the map of a model's weights.
mlxe_test(weights/checkpoint_files_test.cpp LIBRARIES fmt::fmt)
mlxe_test(weights/lora_test.cpp LIBRARIES fmt::fmt)
mlxe_test(weights/packed_layers_test.cpp LIBRARIES fmt::fmt)
mlxe_test(weights/quantized_test.cpp LIBRARIES fmt::fmt)
mlxe_test(weights/real_model_test.cpp LIBRARIES fmt::fmt)
mlxe_test(weights/safetensors_test.cpp LIBRARIES fmt::fmt)
mlxe_test(weights/weight_map_test.cpp LIBRARIES fmt::fmt)
