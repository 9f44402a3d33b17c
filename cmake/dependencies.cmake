# Every dependency of the build, its version and why it was chosen. Nothing is fetched here: tools/setup.sh installs.

include(GoogleTest)
find_package(Threads REQUIRED)
find_package(fmt 9.1 REQUIRED)            # text formatting; g++ 12 has no <format>
find_package(spdlog 1.10 REQUIRED)        # log lines with levels
find_package(nlohmann_json 3.11 REQUIRED) # config.json and its relatives; small files, clear errors
find_package(OpenSSL 3.0 REQUIRED COMPONENTS Crypto)  # SHA-256 with the CPU's own instructions
find_package(CURL 7.68 REQUIRED)          # downloads; its headers only, src/hub opens the library when it needs it
find_package(CLI11 2.1 REQUIRED)          # subcommands, typed flags, generated --help
find_package(PNG 1.6 REQUIRED)            # heat maps as PNG
if(MLXE_BUILD_TESTS)
  find_package(GTest 1.12 REQUIRED)
endif()
if(MLXE_BUILD_BENCH)
  find_package(benchmark 1.7 REQUIRED)    # repeats, statistics and JSON output for kernel timings
endif()

# The tokenizers crate (cmake/tokenizers_crate.cmake) is pinned in src/tokenizer/rust/Cargo.toml and Cargo.lock.

# libmlx 0.32.4: the PyPI wheel carries library, headers and CMake package. Only the module backend/mlx links it.
set(MLXE_MLX_VERSION 0.32.4)
set(MLXE_VENV ${CMAKE_SOURCE_DIR}/.venv CACHE PATH "The virtual environment that tools/setup.sh made")
file(GLOB mlx_cmake_dir ${MLXE_VENV}/lib/python3*/site-packages/mlx/share/cmake/MLX)
if(NOT mlx_cmake_dir AND DEFINED Python_EXECUTABLE)  # an environment of pip's own, in which it makes wheels
  execute_process(COMMAND ${Python_EXECUTABLE} -m mlx --cmake-dir OUTPUT_VARIABLE mlx_cmake_dir
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  string(APPEND mlx_cmake_dir /share/cmake/MLX)
endif()
find_package(MLX ${MLXE_MLX_VERSION} EXACT CONFIG QUIET PATHS ${mlx_cmake_dir} NO_DEFAULT_PATH)

# nanobind 3.1.0 (PyPI) binds the Python package: the smallest and fastest of its kind, with stubs. The sanitizers' run
# times cannot be loaded into a plain interpreter, so their builds go without.
set(MLXE_NANOBIND_VERSION 3.1.0)
if(MLXE_BUILD_PYTHON AND NOT MLXE_SANITIZE)
  if(NOT DEFINED Python_EXECUTABLE AND EXISTS ${MLXE_VENV}/bin/python)
    set(Python_EXECUTABLE ${MLXE_VENV}/bin/python)
  endif()
  find_package(Python 3.11 COMPONENTS Interpreter Development.Module)
  if(Python_FOUND)
    execute_process(COMMAND ${Python_EXECUTABLE} -m nanobind --cmake_dir OUTPUT_VARIABLE nanobind_ROOT
                    OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    find_package(nanobind ${MLXE_NANOBIND_VERSION} EXACT CONFIG QUIET)
  endif()
  if(NOT nanobind_FOUND)
    message(STATUS "nanobind ${MLXE_NANOBIND_VERSION} or Python's headers not found: building without the Python package")
  endif()
endif()
