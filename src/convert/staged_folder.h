// A folder that appears complete or not at all.
#pragma once

#include <filesystem>
#include <string_view>

namespace mlxe {

/// Everything is written into PATH.tmp-PID; publish() gives it its name. Without that the destructor removes it.
class StagedFolder {
 public:
  /// \param overwrite  a folder that is there may be replaced; only one that holds a model
  /// \throws Error{kInvalidInput} if something is there and may not be replaced; Error{kIo}
  StagedFolder(const std::filesystem::path& path, bool overwrite);
  ~StagedFolder();
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& folder() const { return staged_; }
  /// Where it will be.
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  void publish();

 private:
  void check_place() const;

  std::filesystem::path path_;
  std::filesystem::path staged_;
  bool overwrite_;
};

/// Writes a text file whole. \throws Error{kIo}
void write_text(const std::filesystem::path& path, std::string_view text);

/// \throws Error{kIo} if the file system of `folder` has fewer bytes free, saying how many are missing
void require_space(const std::filesystem::path& folder, std::size_t bytes);

}  // namespace mlxe
