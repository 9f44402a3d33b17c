// Call: the work of one call, done without the interpreter's lock, stopped by Ctrl-C and by exceptions of callbacks.
#pragma once

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <thread>

#include <nanobind/nanobind.h>

#include "mlxe/error.h"
#include "mlxe/hub.h"
#include "mlxe/options.h"

namespace mlxe::python {

namespace nb = nanobind;

/// Lives in the calling thread for the time of one call.
class Call {
 public:
  /// \param on_progress  None, or called with the numbers of texts done, of all texts, and of tokens done
  explicit Call(nb::object on_progress = nb::none());
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  /// For the options of the engine. Helpers of the pool only learn that the call was stopped: Python runs the handlers
  /// of signals in the main thread, and that is the calling one or none. The calling thread asks every few hundredths
  /// of a second, so a short call never waits for the interpreter's lock.
  [[nodiscard]] std::function<bool(const Progress&)> progress();

  /// The same for downloads and uploads: they can be stopped; on_progress is not told of them.
  [[nodiscard]] std::function<bool(const TransferProgress&)> transfer();

  /// Does the work without the lock. \throws what a callback or a signal's handler raised, if that stopped it
  template <class Work>
  auto run(const Work& work) {
    try {
      const nb::gil_scoped_release release;
      return work();
    } catch (const Error&) {
      if (raised_) {
        std::rethrow_exception(raised_);
      }
      throw;
    }
  }

 private:
  [[nodiscard]] bool goes_on(const Progress& progress);

  nb::object on_progress_;
  std::thread::id thread_ = std::this_thread::get_id();
  std::chrono::steady_clock::time_point next_look_;
  std::atomic<bool> stopped_{false};
  std::exception_ptr raised_;
};

}  // namespace mlxe::python
