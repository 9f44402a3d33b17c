// Signals, callbacks and forks.
#include "call.h"

#include <stdexcept>
#include <string>
#include <utility>

#include "loaded_engine.h"

namespace mlxe::python {
namespace {

constexpr std::chrono::milliseconds kLookEvery{50};

}  // namespace

const Engine& LoadedEngine::get() const {
  if (process_ != getpid()) {
    throw std::runtime_error("the model was loaded in process " + std::to_string(process_) +
                             " and this is its fork, which has none of the model's threads; load the model in the child"
                             ", or start workers with multiprocessing's 'spawn' or 'forkserver'");
  }
  return *engine_;
}

Call::Call(nb::object on_progress)
    : on_progress_(std::move(on_progress)), next_look_(std::chrono::steady_clock::now() + kLookEvery) {}

std::function<bool(const Progress&)> Call::progress() {
  return [this](const Progress& progress) { return goes_on(progress); };
}

std::function<bool(const TransferProgress&)> Call::transfer() {
  return [this](const TransferProgress& progress) {
    return goes_on({.done = progress.done_bytes, .total = progress.total_bytes, .tokens = 0});
  };
}

bool Call::goes_on(const Progress& progress) {
  if (std::this_thread::get_id() != thread_) {
    return !stopped_.load(std::memory_order_relaxed);
  }
  const auto now = std::chrono::steady_clock::now();
  if (now < next_look_) {
    return true;
  }
  next_look_ = now + kLookEvery;
  const nb::gil_scoped_acquire lock;
  try {
    if (PyErr_CheckSignals() != 0) {
      throw nb::python_error();
    }
    if (!on_progress_.is_none()) {
      on_progress_(progress.done, progress.total, progress.tokens);
    }
    return true;
  } catch (...) {
    raised_ = std::current_exception();
    stopped_.store(true, std::memory_order_relaxed);
    return false;
  }
}

}  // namespace mlxe::python
