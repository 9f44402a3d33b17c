// fwrite and fflush with their errors turned into exceptions.
#include "standard_output.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fmt/format.h>

#include "mlxe/error.h"

namespace mlxe::cli {
namespace {

[[noreturn]] void fail() {
  if (errno == EPIPE) {
    throw PipeClosed{};
  }
  throw Error(ErrorCode::kIo, fmt::format("cannot write to standard output: {}", std::strerror(errno)));
}

}  // namespace

void write_stdout(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) {
    fail();
  }
}

void flush_stdout() {
  if (std::fflush(stdout) != 0) {
    fail();
  }
}

}  // namespace mlxe::cli
