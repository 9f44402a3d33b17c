#!/bin/sh
# Cross-compiles the CPU backend and its tests for 64-bit ARM and runs them under emulation: NEON, int8 dot products,
# I8MM and BF16; the kernel benchmarks are compiled, not run. Needs Debian's g++-12-aarch64-linux-gnu, qemu-user,
# libfmt-dev, libbenchmark-dev, nlohmann-json3-dev and googletest. No part of `make test`.
# Usage: tools/test_neon.sh [arguments of the test program]; under emulation all of them take minutes.
set -eu
cd "$(dirname "$0")/.."
google=/usr/src/googletest
need() {  # package, what it brings, and the question whether that is here
  package=$1
  thing=$2
  shift 2
  "$@" > /dev/null 2>&1 || { echo "test_neon.sh: no $thing here, wanted: apt-get install $package" >&2; exit 1; }
}
need g++-12-aarch64-linux-gnu aarch64-linux-gnu-g++-12 command -v aarch64-linux-gnu-g++-12
need qemu-user qemu-aarch64 command -v qemu-aarch64
need libfmt-dev /usr/include/fmt/format.h test -e /usr/include/fmt/format.h
need libbenchmark-dev /usr/include/benchmark/benchmark.h test -e /usr/include/benchmark/benchmark.h
need nlohmann-json3-dev /usr/include/nlohmann/json.hpp test -e /usr/include/nlohmann/json.hpp
need googletest $google test -e $google/googletest/src/gtest-all.cc
out=build/neon
headers=$out/include
mkdir -p $headers $out/objects
# Only these of the host's headers: the rest are another processor's.
for name in fmt benchmark nlohmann; do
  ln -sfn /usr/include/$name $headers/$name
done
# As cmake/rooms.cmake and the release preset have them.
flags="-std=c++20 -O3 -ffp-contract=off -Wall -Wextra -Wconversion -Wshadow -Werror -Wno-psabi -DFMT_HEADER_ONLY -Isrc -Iinclude -Itests
  -isystem $headers -isystem $google/googletest/include -isystem $google/googlemock/include
  -I$google/googletest -I$google/googlemock"
kernel_flags="-falign-loops=64 -Wno-uninitialized -Wno-maybe-uninitialized"

compile() {  # source [flags]
  source=$1
  shift
  object=$out/objects/$(echo "$source" | tr / _).o
  objects="$objects $object"
  echo "${CCACHE-$(command -v ccache || true)} aarch64-linux-gnu-g++-12 $(echo $flags) $* -c $source -o $object" >> $out/commands
}
objects=""
: > $out/commands
for source in src/base/files.cpp src/base/available_threads.cpp src/tensor/*.cpp src/backend/cpu/*.cpp tests/backend_cpu/*_test.cpp; do
  compile "$source"
done
for source in $google/googletest/src/gtest-all.cc $google/googlemock/src/gmock-all.cc $google/googletest/src/gtest_main.cc; do
  compile "$source" -w
done
# As src/backend/cpu/CMakeLists.txt has them.
compile src/backend/cpu/portable/kernels.cpp $kernel_flags
compile src/backend/cpu/neon/kernels.cpp $kernel_flags
compile src/backend/cpu/neon_dot/kernels.cpp $kernel_flags -march=armv8.2-a+dotprod
compile src/backend/cpu/neon_i8mm/kernels.cpp $kernel_flags -march=armv8.2-a+i8mm -fno-schedule-insns
compile src/backend/cpu/neon_bf16/kernels.cpp $kernel_flags -march=armv8.2-a+dotprod+bf16
linked=$objects
# As bench/kernels/CMakeLists.txt has them; the library of benchmarks is the host's alone.
for source in bench/kernels/*.cpp bench/kernels/peak/portable.cpp bench/kernels/peak/neon.cpp; do
  compile "$source" -Ibench -Iapps/cli
done
compile bench/kernels/peak/neon_dot.cpp -Ibench -march=armv8.2-a+dotprod
compile bench/kernels/peak/neon_i8mm.cpp -Ibench -march=armv8.2-a+i8mm
compile bench/kernels/peak/neon_bf16.cpp -Ibench -march=armv8.2-a+dotprod+bf16
xargs -P "${JOBS:-2}" -I{} sh -c '{}' < $out/commands
aarch64-linux-gnu-g++-12 -static $linked -o $out/test_backend_cpu
echo "running under $(qemu-aarch64 --version | head -1)"
exec qemu-aarch64 -cpu max $out/test_backend_cpu "$@"
