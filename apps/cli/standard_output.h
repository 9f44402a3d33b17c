// Writing results to standard output with every failure noticed.
#pragma once

#include <string_view>

namespace mlxe::cli {

/// Thrown when the reader of our standard output has gone away (`| head`): the program ends quietly.
struct PipeClosed {};

/// \throws Error{kIo} if the write fails (a full disk), PipeClosed if nobody reads
void write_stdout(std::string_view text);

/// Pushes out what write_stdout() buffered. Throws as it does.
void flush_stdout();

}  // namespace mlxe::cli
