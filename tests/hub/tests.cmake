# Tests of src/hub.
mlxe_test(hub/families_test.cpp)
mlxe_test(hub/resolve_test.cpp)
mlxe_test(hub/known_families_test.cpp)
mlxe_test(hub/model_name_test.cpp)
mlxe_test(hub/hub_environment_test.cpp)
mlxe_test(hub/file_selection_test.cpp)
mlxe_test(hub/gguf_choice_test.cpp)
mlxe_test(hub/http_rules_test.cpp)
