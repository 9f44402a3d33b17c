// Forces an instruction set through MLXE_CPU_ISA for a scope.
#pragma once

#include <cstdlib>
#include <string>

namespace mlxe::cpu {

class ForcedIsa {
 public:
  explicit ForcedIsa(const char* name) {
    const char* before = std::getenv("MLXE_CPU_ISA");
    had_ = before != nullptr;
    before_ = had_ ? before : "";
    setenv("MLXE_CPU_ISA", name, 1);
  }
  ~ForcedIsa() { had_ ? setenv("MLXE_CPU_ISA", before_.c_str(), 1) : unsetenv("MLXE_CPU_ISA"); }
  ForcedIsa(const ForcedIsa&) = delete;
  ForcedIsa& operator=(const ForcedIsa&) = delete;

 private:
  bool had_ = false;
  std::string before_;
};

}  // namespace mlxe::cpu
