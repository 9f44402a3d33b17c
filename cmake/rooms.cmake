# mlxe_room and mlxe_test: one call makes a room of src/, one call adds a test to its room's binary.

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()
find_program(MOLD_PROGRAM mold)

add_library(mlxe_flags INTERFACE)
target_compile_features(mlxe_flags INTERFACE cxx_std_20)
target_compile_options(mlxe_flags INTERFACE -Wall -Wextra -Wconversion -Wshadow -Werror)
# A product and a sum are two roundings unless the code says fma: compilers differ in what they would join (GCC does on
# ARM by default), and so would the bits of a vector.
target_compile_options(mlxe_flags INTERFACE -ffp-contract=off)
# GCC 12 reports these inside libstdc++ and fmt headers when it inlines them at -O3.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(mlxe_flags INTERFACE -Wno-error=array-bounds -Wno-error=stringop-overflow
                                              -Wno-error=stringop-overread -Wno-error=maybe-uninitialized
                                              -Wno-error=restrict)
endif()
target_include_directories(mlxe_flags INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
if(MOLD_PROGRAM)
  target_link_options(mlxe_flags INTERFACE -fuse-ld=mold)
endif()
if(MLXE_SANITIZE)
  target_compile_options(mlxe_flags INTERFACE -fsanitize=${MLXE_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(mlxe_flags INTERFACE -fsanitize=${MLXE_SANITIZE})
endif()
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

# mlxe_room(nn SOURCES pooling.cpp DEPENDS tensor [LIBRARIES fmt::fmt])
# A static library mlxe_nn from the files of the current folder. DEPENDS names rooms, LIBRARIES anything else.
function(mlxe_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;DEPENDS;LIBRARIES" ${ARGN})
  add_library(mlxe_${name} STATIC ${ROOM_SOURCES})
  list(TRANSFORM ROOM_DEPENDS PREPEND mlxe_)
  target_link_libraries(mlxe_${name} PUBLIC mlxe_flags ${ROOM_DEPENDS} PRIVATE ${ROOM_LIBRARIES})
endfunction()

# Runs a room's tests in a few processes instead of one for each: for a binary that takes long to find out what its
# tests are. `set(MLXE_TEST_SHARDS_<room> N)` before its first mlxe_test asks for it.
function(mlxe_test_shards room count)
  math(EXPR last "${count} - 1")
  foreach(index RANGE ${last})
    add_test(NAME ${room}.part_${index}_of_${count} COMMAND test_${room} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(${room}.part_${index}_of_${count} PROPERTIES TIMEOUT 1500
      ENVIRONMENT "MLXE_BINARY_DIR=${CMAKE_BINARY_DIR};GTEST_TOTAL_SHARDS=${count};GTEST_SHARD_INDEX=${index}")
  endforeach()
endfunction()

# mlxe_test(nn/pooling_test.cpp [DEPENDS engine] [LIBRARIES ...])
# Adds the file to the room's one test binary (test_nn) and links the room (mlxe_nn) and what DEPENDS names.
function(mlxe_test source)
  cmake_parse_arguments(TEST "" "" "DEPENDS;LIBRARIES" ${ARGN})
  get_filename_component(room ${source} DIRECTORY)
  string(REPLACE "/" "_" room ${room})
  if(NOT TARGET test_${room})
    add_executable(test_${room})
    target_include_directories(test_${room} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
    target_link_libraries(test_${room} PRIVATE mlxe_flags GTest::gmock_main)
    # Tests' own loops are small; at -O3 half of a clean build went into optimising them.
    target_compile_options(test_${room} PRIVATE $<$<CONFIG:Release>:-O1>)
    if(TARGET mlxe_${room})
      target_link_libraries(test_${room} PRIVATE mlxe_${room})
    endif()
    # Repo root and build tree reach the tests through the environment, so no path is compiled in.
    if(MLXE_TEST_SHARDS_${room})
      mlxe_test_shards(${room} ${MLXE_TEST_SHARDS_${room}})
    else()
      gtest_discover_tests(test_${room} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 120
                           WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
                           PROPERTIES ENVIRONMENT "MLXE_BINARY_DIR=${CMAKE_BINARY_DIR}" TIMEOUT 600)
    endif()
  endif()
  target_sources(test_${room} PRIVATE ${source})
  list(TRANSFORM TEST_DEPENDS PREPEND mlxe_)
  target_link_libraries(test_${room} PRIVATE ${TEST_DEPENDS} ${TEST_LIBRARIES})
endfunction()
