# mlxe_tok: the tokenizers crate as an imported static library, built by cargo when its sources change.

find_program(CARGO_PROGRAM cargo HINTS $ENV{CARGO_HOME}/bin $ENV{HOME}/.cargo/bin REQUIRED)

set(crate_dir ${CMAKE_SOURCE_DIR}/src/tokenizer/rust)
set(crate_target_dir ${CMAKE_BINARY_DIR}/cargo)
set(crate_library ${crate_target_dir}/release/libmlxe_tok.a)
file(GLOB crate_sources CONFIGURE_DEPENDS ${crate_dir}/src/*.rs)

# cargo leaves the library's time alone when nothing that matters has changed; the touch tells ninja that it is current.
add_custom_command(
  OUTPUT ${crate_library}
  COMMAND ${CMAKE_COMMAND} -E env CARGO_TARGET_DIR=${crate_target_dir}
          ${CARGO_PROGRAM} build --release --locked --quiet --manifest-path ${crate_dir}/Cargo.toml
  COMMAND ${CMAKE_COMMAND} -E touch ${crate_library}
  DEPENDS ${crate_sources} ${crate_dir}/Cargo.toml ${crate_dir}/Cargo.lock
  COMMENT "Building the tokenizers crate (a minute the first time)"
  VERBATIM)
add_custom_target(mlxe_tok_build DEPENDS ${crate_library})

add_library(mlxe_tok STATIC IMPORTED GLOBAL)
set_target_properties(mlxe_tok PROPERTIES IMPORTED_LOCATION ${crate_library})
target_include_directories(mlxe_tok INTERFACE ${crate_dir})
target_link_libraries(mlxe_tok INTERFACE Threads::Threads ${CMAKE_DL_LIBS} m)
add_dependencies(mlxe_tok mlxe_tok_build)
