# Tests of the engine room.
mlxe_test(engine/engine_test.cpp)
mlxe_test(engine/loader_test.cpp)
mlxe_test(engine/make_backend_test.cpp)
mlxe_test(engine/pipeline_test.cpp)
mlxe_test(engine/profiling_backend_test.cpp)
mlxe_test(engine/scheduler_test.cpp)
mlxe_test(engine/text_encoder_test.cpp)
mlxe_test(engine/text_settings_test.cpp)
