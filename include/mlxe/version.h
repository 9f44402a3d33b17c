// The version of the library; CMake reads it from here.
#pragma once

#define MLXE_VERSION_MAJOR 0
#define MLXE_VERSION_MINOR 1
#define MLXE_VERSION_PATCH 0
#define MLXE_VERSION "0.1.0"
