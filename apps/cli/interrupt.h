// Ctrl-C and SIGTERM as a flag that long work looks at, so that files are never left half-written.
#pragma once

namespace mlxe::cli {

/// The first signal sets a flag; a second one ends the program at once, as without a handler.
void catch_interrupts();

/// The number of the signal that arrived, 0 if none did.
[[nodiscard]] int interrupt_signal();

/// \throws Error{kCancelled} if a signal arrived
void throw_if_interrupted();

}  // namespace mlxe::cli
