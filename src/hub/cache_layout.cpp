// Paths of the cache and the few writes that publish something in it.
#include "hub/cache_layout.h"

#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "base/files.h"
#include "hub/model_name.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "models--";

std::string folder_name(std::string_view repository) {
  std::string name(kPrefix);
  for (const char c : repository) {
    name += c == '/' ? std::string("--") : std::string(1, c);
  }
  return name;
}

[[noreturn]] void throw_cannot(const char* verb, const fs::path& path, const std::error_code& error) {
  throw Error(ErrorCode::kIo, fmt::format("cannot {} {}: {}", verb, path.string(), error.message()));
}

void make_folders(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    throw_cannot("create the folder", folder, error);
  }
}

void write_whole(const fs::path& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

std::string first_word(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) {
    return {};
  }
  constexpr std::size_t kMaxReference = 4096;
  const std::string text = read_file(path, kMaxReference);
  const std::size_t begin = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  return text.substr(begin, text.find_first_of(" \t\r\n", begin) - begin);
}

}  // namespace

CachedRepository::CachedRepository(fs::path cache, std::string_view repository)
    : cache_(std::move(cache)), name_(folder_name(repository)), folder_(cache_ / name_) {}

fs::path CachedRepository::blob(std::string_view hash) const {
  return folder_ / "blobs" / hash;
}

fs::path CachedRepository::incomplete(std::string_view hash) const {
  return folder_ / "blobs" / (std::string(hash) + ".incomplete");
}

fs::path CachedRepository::locks() const {
  return cache_ / ".locks" / name_;
}

fs::path CachedRepository::lock(std::string_view hash) const {
  return locks() / (std::string(hash) + ".lock");
}

fs::path CachedRepository::snapshot(std::string_view commit) const {
  return folder_ / "snapshots" / commit;
}

std::optional<std::string> CachedRepository::commit_of(std::string_view revision) const {
  if (!is_revision(revision)) {
    return std::nullopt;
  }
  std::string commit = first_word(folder_ / "refs" / revision);
  if (commit.empty() && is_commit(revision)) {
    commit = revision;
  }
  // The file is a stranger's: it must not lead out of the snapshots.
  if (commit.find('/') != std::string::npos || !is_revision(commit)) {
    return std::nullopt;
  }
  std::error_code ignored;
  return fs::is_directory(snapshot(commit), ignored) ? std::optional(commit) : std::nullopt;
}

bool CachedRepository::known_absent(std::string_view commit, std::string_view file) const {
  std::error_code ignored;
  return fs::exists(folder_ / ".no_exist" / commit / file, ignored);
}

bool CachedRepository::has_file(std::string_view commit, std::string_view file) const {
  std::error_code ignored;
  return fs::is_regular_file(snapshot(commit) / file, ignored);
}

void CachedRepository::write_reference(std::string_view revision, std::string_view commit) const {
  const fs::path path = folder_ / "refs" / revision;
  if (revision == commit || first_word(path) == commit) {
    return;
  }
  make_folders(path.parent_path());
  write_whole(path, commit);
}

void CachedRepository::mark_absent(std::string_view commit, std::string_view file) const {
  const fs::path path = folder_ / ".no_exist" / commit / file;
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    make_folders(path.parent_path());
    write_whole(path, "");
  }
}

void CachedRepository::publish(std::string_view commit, std::string_view file, std::string_view hash, bool symlinks,
                               bool is_new_blob) const {
  const fs::path place = snapshot(commit) / file;
  const fs::path content = blob(hash);
  make_folders(place.parent_path());
  // Made under another name and renamed, so that whoever looks finds the old file or the new one.
  const fs::path temporary = place.parent_path() / fmt::format(".{}.tmp-{}", hash, ::getpid());
  std::error_code error;
  fs::remove(temporary, error);
  bool placed = false;
  if (symlinks) {
    fs::create_symlink(fs::relative(content, place.parent_path(), error), temporary, error);
    placed = !error;  // a file system without links: a copy does as well
  }
  if (!placed) {
    error.clear();
    if (is_new_blob) {
      fs::rename(content, temporary, error);
    } else {
      fs::copy_file(content, temporary, error);
    }
  }
  if (!error) {
    fs::rename(temporary, place, error);
  }
  if (error) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    throw_cannot("write", place, error);
  }
}

void CachedRepository::prepare() const {
  make_folders(folder_ / "blobs");
  make_folders(locks());
  const fs::path tag = cache_ / "CACHEDIR.TAG";
  std::error_code ignored;
  if (!fs::exists(tag, ignored)) {
    // https://bford.info/cachedir: the first line is what backup programs look for.
    write_whole(tag,
                "Signature: 8a477f597d28d172789f06886806bc55\n"
                "# A cache of models from the Hugging Face Hub; it may be deleted and is filled again when needed.\n");
  }
}

std::optional<std::string> repository_of_folder(std::string_view folder_name) {
  if (!folder_name.starts_with(kPrefix)) {
    return std::nullopt;
  }
  folder_name.remove_prefix(kPrefix.size());
  std::string name(folder_name);
  if (const std::size_t separator = name.find("--"); separator != std::string::npos) {
    name.replace(separator, 2, "/");
  }
  return is_repository_name(name) ? std::optional(name) : std::nullopt;
}

}  // namespace mlxe
