// LoadedEngine: an Engine and the process that it was loaded in, whose threads a fork does not have.
#pragma once

#include <memory>
#include <utility>

#include <unistd.h>

#include "mlxe/engine.h"

namespace mlxe::python {

class LoadedEngine {
 public:
  explicit LoadedEngine(Engine engine) : engine_(std::make_unique<Engine>(std::move(engine))), process_(getpid()) {}
  LoadedEngine(LoadedEngine&&) = default;
  LoadedEngine& operator=(LoadedEngine&&) = delete;
  ~LoadedEngine() {
    if (process_ != getpid()) {
      static_cast<void>(engine_.release());  // its threads ran in the parent alone: joining them would wait for ever
    }
  }

  /// \throws std::runtime_error in a process that was forked off after loading
  [[nodiscard]] const Engine& get() const;
  /// What does no work on the engine's threads.
  [[nodiscard]] const Engine& without_threads() const { return *engine_; }

 private:
  std::unique_ptr<Engine> engine_;
  pid_t process_;
};

}  // namespace mlxe::python
