// Staging beside the wanted name, so that one rename publishes.
#include "convert/staged_folder.h"

#include <system_error>

#include <fmt/format.h>
#include <unistd.h>

#include "base/files.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void throw_io(const char* what, const fs::path& path, const std::error_code& error) {
  throw Error(ErrorCode::kIo, fmt::format("cannot {} {}: {}", what, path.string(), error.message()));
}

/// Absolute, without "." and a slash at its end.
fs::path clean(const fs::path& path) {
  if (path.empty()) {
    throw Error(ErrorCode::kInvalidInput, "the name of the new folder is empty");
  }
  fs::path absolute = fs::absolute(path).lexically_normal();
  return absolute.has_filename() ? absolute : absolute.parent_path();
}

bool holds_model(const fs::path& folder) {
  return fs::exists(folder / "config.json") || fs::exists(folder / "modules.json");
}

}  // namespace

StagedFolder::StagedFolder(const fs::path& path, bool overwrite) : path_(clean(path)), overwrite_(overwrite) {
  check_place();
  std::error_code error;
  fs::create_directories(path_.parent_path(), error);
  if (error) {
    throw_io("create", path_.parent_path(), error);
  }
  const fs::path staged = path_.string() + fmt::format(".tmp-{}", ::getpid());
  fs::remove_all(staged, error);  // of a process that had this number and was killed
  if (!fs::create_directory(staged, error)) {
    throw_io("create", staged, error);
  }
  staged_ = staged;
}

StagedFolder::~StagedFolder() {
  if (!staged_.empty()) {
    std::error_code ignored;
    fs::remove_all(staged_, ignored);
  }
}

void StagedFolder::check_place() const {
  std::error_code ignored;
  const fs::file_status status = fs::symlink_status(path_, ignored);
  if (!fs::exists(status) || (fs::is_directory(status) && fs::is_empty(path_, ignored))) {
    return;
  }
  if (!fs::is_directory(status)) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("'{}' is there and is no folder, wanted the name of a new one", path_.string()));
  }
  if (!overwrite_) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("the folder '{}' is there already; name another one, or replace it (--overwrite)", path_.string()));
  }
  if (!holds_model(path_)) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("the folder '{}' holds no model, so it is not replaced", path_.string()));
  }
}

void StagedFolder::publish() {
  check_place();  // again: somebody may have been faster
  std::error_code error;
  const fs::path old = staged_.string() + ".old";
  const bool replaces = overwrite_ && holds_model(path_);
  if (replaces) {
    fs::rename(path_, old, error);
    if (error) {
      throw_io("replace", path_, error);
    }
  }
  fs::rename(staged_, path_, error);
  if (error) {
    std::error_code ignored;
    if (replaces) {
      fs::rename(old, path_, ignored);
    }
    check_place();  // somebody was faster after all, since the look above
    throw_io("create", path_, error);
  }
  staged_.clear();
  if (replaces) {
    fs::remove_all(old, error);
  }
}

void write_text(const fs::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

void require_space(const fs::path& folder, std::size_t bytes) {
  std::error_code error;
  const fs::space_info space = fs::space(folder, error);
  if (!error && space.available < bytes) {
    throw Error(ErrorCode::kIo, fmt::format("{} has {} MB free, the converted model needs {} MB", folder.string(),
                                            space.available / 1'000'000, bytes / 1'000'000 + 1));
  }
}

}  // namespace mlxe
