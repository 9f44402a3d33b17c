// A lock of the cache, shared with other processes and with huggingface_hub: flock on a file below .locks.
#pragma once

#include <filesystem>
#include <optional>

namespace mlxe {

/// Held until destroyed. The kernel lets go of it when the process ends, however it ends: a file left behind is no
/// block.
class CacheLock {
 public:
  enum class Kind {
    kHeld,         ///< no other process has it
    kUnavailable,  ///< the file system knows no locks: go on without, and share no file with others
  };

  /// Nothing if another process holds it.
  /// \throws Error{kIo} if the file cannot be made
  [[nodiscard]] static std::optional<CacheLock> try_take(const std::filesystem::path& path);

  ~CacheLock();
  CacheLock(CacheLock&& other) noexcept;
  CacheLock& operator=(CacheLock&& other) noexcept;
  [[nodiscard]] Kind kind() const { return kind_; }

 private:
  CacheLock(int descriptor, Kind kind) : descriptor_(descriptor), kind_(kind) {}
  int descriptor_;
  Kind kind_;
};

}  // namespace mlxe
