// Signal handlers that only set a flag.
#include "interrupt.h"

#include <csignal>

#include <fmt/format.h>

#include "mlxe/error.h"

namespace mlxe::cli {
namespace {

volatile std::sig_atomic_t received_signal = 0;

extern "C" void remember_signal(int number) {
  received_signal = number;
}

}  // namespace

void catch_interrupts() {
  struct sigaction action{};
  action.sa_handler = remember_signal;
  // No SA_RESTART: a read() from a terminal must return. SA_RESETHAND: the second signal is the default one.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  // A closed pipe is an error of write(), so that destructors remove temporary files.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // likewise a file that reaches the limit on its size
}

int interrupt_signal() {
  return received_signal;
}

void throw_if_interrupted() {
  if (interrupt_signal() != 0) {
    throw Error(ErrorCode::kCancelled, fmt::format("stopped by signal {}", interrupt_signal()));
  }
}

}  // namespace mlxe::cli
