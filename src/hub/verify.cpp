// verify_model and repair_model: every file of a snapshot against the hash that its blob is named after.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "hub/blob_hash.h"
#include "hub/cache_layout.h"
#include "hub/find_model.h"
#include "hub/snapshot_download.h"
#include "mlxe/hub.h"

namespace mlxe {
namespace {

namespace fs = std::filesystem;

class Checker {
 public:
  explicit Checker(const HubOptions& options) : options_(options) {}

  void plan(VerifiedFile& file) {
    std::error_code error;
    const std::uintmax_t size = fs::file_size(file.path, error);
    file.size = error ? 0 : size;
    file.state = error ? VerifiedFile::State::kMissing : VerifiedFile::State::kUnchecked;
    progress_.total_bytes += file.wanted.empty() ? 0 : file.size;
    ++progress_.num_files;
  }

  void check(VerifiedFile& file) {
    if (file.state != VerifiedFile::State::kMissing && !file.wanted.empty()) {
      file.found = hash_of(file);
      file.state = file.found == file.wanted ? VerifiedFile::State::kIntact : VerifiedFile::State::kCorrupt;
    }
    ++progress_.done_files;
  }

 private:
  std::string hash_of(const VerifiedFile& file) {
    return hash_file(file.path, file.wanted, file.size, [&](std::size_t count) {
      progress_.done_bytes += count;
      progress_.new_bytes += count;
      report(file);
    });
  }

  void report(const VerifiedFile& file) {
    constexpr std::chrono::milliseconds kReport{100};
    const auto now = std::chrono::steady_clock::now();
    if (!options_.on_progress || now - last_report_ < kReport) {
      return;
    }
    last_report_ = now;
    progress_.file = file.name;
    if (!options_.on_progress(progress_)) {
      throw Error(ErrorCode::kCancelled, "the check was stopped");
    }
  }

  const HubOptions& options_;
  TransferProgress progress_;
  std::chrono::steady_clock::time_point last_report_ = {};
};

}  // namespace

bool Verification::intact() const {
  return std::ranges::none_of(files, [](const VerifiedFile& file) {
    return file.state == VerifiedFile::State::kCorrupt || file.state == VerifiedFile::State::kMissing;
  });
}

Verification verify_model(const std::string& name, const HubOptions& options) {
  Verification verification{.snapshot = find_cached_snapshot(name, options), .files = {}};
  const fs::path folder = verification.snapshot.folder;
  std::error_code error;
  for (auto entry = fs::recursive_directory_iterator(folder, error); !error && entry != fs::end(entry);
       entry.increment(error)) {
    if (entry->is_directory() && !entry->is_symlink()) {
      continue;
    }
    VerifiedFile file{.name = fs::path(entry->path()).lexically_relative(folder).generic_string(),
                      .path = entry->path().string()};
    if (entry->is_symlink()) {
      const fs::path target = fs::read_symlink(entry->path());
      file.path = (entry->path().parent_path() / target).lexically_normal().string();
      const std::string hash = target.filename().string();
      file.wanted = is_blob_hash(hash) ? hash : std::string();
    }
    verification.files.push_back(std::move(file));
  }
  if (error) {
    throw Error(ErrorCode::kIo, fmt::format("cannot read {}: {}", folder.string(), error.message()));
  }
  std::ranges::sort(verification.files, {}, &VerifiedFile::name);
  Checker checker(options);
  for (VerifiedFile& file : verification.files) {
    checker.plan(file);
  }
  for (VerifiedFile& file : verification.files) {
    checker.check(file);
  }
  return verification;
}

Snapshot repair_model(const Verification& verification, const HubOptions& options) {
  const Snapshot& snapshot = verification.snapshot;
  std::set<std::string> broken;
  for (const VerifiedFile& file : verification.files) {
    if (file.state == VerifiedFile::State::kCorrupt || file.state == VerifiedFile::State::kMissing) {
      broken.insert(file.name);
    }
  }
  if (broken.empty()) {
    return snapshot;
  }
  // The hub is asked first: without it a broken file is better than none.
  const HubEnvironment environment = online_environment(snapshot.repository, options);
  for (const VerifiedFile& file : verification.files) {
    if (file.state == VerifiedFile::State::kCorrupt) {
      std::error_code ignored;
      fs::rename(file.path, file.path + ".corrupt", ignored);
    }
  }
  const auto restore = [&](bool undo) {
    for (const VerifiedFile& file : verification.files) {
      std::error_code ignored;
      if (file.state == VerifiedFile::State::kCorrupt) {
        if (undo) {
          fs::rename(file.path + ".corrupt", file.path, ignored);
        } else {
          fs::remove(file.path + ".corrupt", ignored);
        }
      }
    }
  };
  std::optional<Snapshot> repaired;
  try {
    repaired = download_snapshot(snapshot.repository, snapshot.commit, environment, options, {.only = broken});
  } catch (...) {
    restore(true);
    throw;
  }
  restore(!repaired);
  if (!repaired) {
    throw Error(ErrorCode::kModelNotFound,
                fmt::format("'{}' is no longer on {}", snapshot.repository, environment.endpoint));
  }
  repaired->revision = snapshot.revision;
  return *repaired;
}

}  // namespace mlxe
