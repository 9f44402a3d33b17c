// The list, the choice, the loop over the downloads, and the publication of what they brought.
#include "hub/snapshot_download.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/statvfs.h>

#include "base/files.h"
#include "base/utf8.h"
#include "hub/blob_download.h"
#include "hub/blob_hash.h"
#include "hub/file_selection.h"
#include "hub/hub_api.h"
#include "hub/model_name.h"
#include "hub/snapshot_check.h"

namespace mlxe {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kNetworkWait{50};
constexpr std::chrono::milliseconds kQueueWait{10};
constexpr std::chrono::milliseconds kReport{100};

std::optional<std::uint64_t> size_of(const fs::path& path) {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  return error ? std::nullopt : std::optional<std::uint64_t>(size);
}

bool is_weights(std::string_view name) {
  return name.ends_with(".safetensors") || name.ends_with(".gguf");
}

class SnapshotDownload {
 public:
  SnapshotDownload(const HubEnvironment& environment, const HubOptions& options, HttpClient& client, HubApi& api,
                   RemoteRepository remote)
      : environment_(environment),
        options_(options),
        client_(client),
        api_(api),
        remote_(std::move(remote)),
        cache_(*environment.cache, remote_.name) {}

  Snapshot run(const std::string& revision, const WantedFiles& files) {
    if (files.only.empty()) {
      fetch(select_first(remote_.files));
      const std::vector<std::string> rest = select_rest(
          remote_.files, [&](const std::string& name) { return read(name); }, "'" + remote_.name + "'", files.gguf);
      if (!files.gguf) {
        tell_choice(rest);
      }
      fetch(rest);
    } else {
      fetch({files.only.begin(), files.only.end()});
    }
    publish();
    remember(revision);
    return {.folder = cache_.snapshot(remote_.commit).string(),
            .repository = remote_.name,
            .revision = revision,
            .commit = remote_.commit,
            .new_bytes = new_bytes_,
            .num_files = wanted_.size()};
  }

 private:
  struct Blob {
    RemoteFile file;                 ///< under the first of its names
    std::vector<std::string> names;  ///< files of the same content
    bool is_new = false;
  };

  RemoteFile find(const std::string& name) const {
    const auto found = std::ranges::find(remote_.files, name, &RemoteFile::name);
    if (found == remote_.files.end()) {
      throw Error(ErrorCode::kModelNotFound, fmt::format("'{}' has no file '{}' at revision {}", remote_.name,
                                                         printable(name, 200), remote_.commit));
    }
    return *found;
  }

  // In place already: linked to its blob, or a copy where the cache has no links.
  bool is_there(const RemoteFile& file) const {
    return cache_.has_file(remote_.commit, file.name) &&
           (!file.size || size_of(cache_.snapshot(remote_.commit) / file.name) == file.size);
  }

  std::string read(const std::string& name) const {
    constexpr std::size_t kMaxJson = 50'000'000;
    const fs::path place = cache_.snapshot(remote_.commit) / name;
    return read_file(cache_.has_file(remote_.commit, name) ? place : cache_.blob(wanted_.at(name)), kMaxJson);
  }

  void fetch(const std::vector<std::string>& names) {
    std::map<std::string, Blob*> fetched;
    for (const std::string& name : names) {
      if (wanted_.contains(name)) {
        continue;
      }
      if (!is_safe_file_name(name)) {
        throw Error(ErrorCode::kCorruptModel,
                    fmt::format("'{}' has a file '{}', a name that leads out of its folder; nothing of it is taken",
                                remote_.name, printable(name, 200)));
      }
      RemoteFile file = find(name);
      if ((!is_blob_hash(file.hash) || !file.size) && !is_there(file)) {
        file = api_.describe(remote_, name);
      }
      wanted_[name] = file.hash;
      total_bytes_ += file.size.value_or(0);
      if (is_there(file)) {
        done_bytes_ += file.size.value_or(0);
        ++done_files_;
        continue;
      }
      Blob& blob = blobs_[file.hash];
      if (blob.names.empty()) {
        blob.file = file;
        fetched[file.hash] = &blob;
      } else {
        total_bytes_ -= *file.size;  // one download for both
      }
      blob.names.push_back(name);
    }
    std::vector<Blob*> blobs;
    for (const auto& [hash, blob] : fetched) {
      blobs.push_back(blob);
    }
    if (!blobs.empty()) {
      download(blobs);
    }
  }

  void check_space(const std::vector<Blob*>& blobs) const {
    std::uint64_t needed = 0;
    for (const Blob* blob : blobs) {
      if (!size_of(cache_.blob(blob->file.hash))) {
        needed +=
            *blob->file.size - std::min(*blob->file.size, size_of(cache_.incomplete(blob->file.hash)).value_or(0));
      }
    }
    struct statvfs disk{};
    if (::statvfs(cache_.folder().c_str(), &disk) != 0) {
      return;  // a write will tell
    }
    const std::uint64_t available = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
    if (needed > available) {
      throw Error(ErrorCode::kIo, fmt::format("cannot download '{}' to {}: it needs {} more bytes, the disk has {}; "
                                              "HF_HUB_CACHE can name another place",
                                              remote_.name, cache_.cache().string(), needed, available));
    }
  }

  void download(std::vector<Blob*>& blobs) {
    cache_.prepare();
    check_space(blobs);
    // Small ones first: the connections are then free for the ranges of large ones.
    std::ranges::stable_sort(blobs, {}, [](const Blob* blob) { return *blob->file.size; });
    WriteQueue queue;
    const DownloadContext context{.client = client_,
                                  .api = api_,
                                  .cache = cache_,
                                  .remote = remote_,
                                  .queue = queue,
                                  .say = [this](std::string_view text) { say(text); }};
    std::vector<std::unique_ptr<BlobDownload>> downloads;
    for (Blob* blob : blobs) {
      // Cut short by a crash of the machine or by another program: its size tells.
      if (const auto size = size_of(cache_.blob(blob->file.hash)); size && size != blob->file.size) {
        std::error_code ignored;
        fs::remove(cache_.blob(blob->file.hash), ignored);
      }
      downloads.push_back(std::make_unique<BlobDownload>(context, blob->file));
    }
    while (!advance(downloads)) {
      report(downloads);
      if (std::ranges::any_of(downloads, [](const auto& one) { return one->num_connections() > 0; })) {
        client_.wait(kNetworkWait);
      } else {
        queue.wait_for_a_task(kQueueWait);
      }
    }
    last_report_ = {};
    report(downloads);
    for (std::size_t i = 0; i < blobs.size(); ++i) {
      blobs[i]->is_new = downloads[i]->is_new();
      done_bytes_ += *blobs[i]->file.size;
      new_bytes_ += downloads[i]->new_bytes();
      done_files_ += blobs[i]->names.size();
    }
  }

  /// True when all are done.
  bool advance(const std::vector<std::unique_ptr<BlobDownload>>& downloads) const {
    int used = 0;
    for (const auto& one : downloads) {
      used += one->num_connections();
    }
    bool all_done = true;
    for (const auto& one : downloads) {
      if (!one->done()) {
        const int before = one->num_connections();
        one->advance(std::max(options_.max_connections, 1) - used);
        used += one->num_connections() - before;
        all_done = all_done && one->done();
      }
    }
    return all_done;
  }

  void report(const std::vector<std::unique_ptr<BlobDownload>>& downloads) {
    const auto now = BlobDownload::Clock::now();
    if (!options_.on_progress || now - last_report_ < kReport) {
      return;
    }
    last_report_ = now;
    TransferProgress progress{.file = {},
                              .done_bytes = done_bytes_,
                              .total_bytes = total_bytes_,
                              .new_bytes = new_bytes_,
                              .done_files = done_files_,
                              .num_files = wanted_.size()};
    for (const auto& one : downloads) {
      progress.done_bytes += one->done_bytes();
      progress.new_bytes += one->new_bytes();
      progress.done_files += one->done() ? 1 : 0;
      if (one->num_connections() > 0) {
        progress.file = one->file().name;
      }
    }
    if (!options_.on_progress(progress)) {
      throw Error(ErrorCode::kCancelled,
                  fmt::format("the download of '{}' was stopped; it goes on from here next time", remote_.name));
    }
  }

  void publish() {
    // Whoever finds the weights finds the rest.
    std::vector<std::pair<std::string, Blob*>> places;
    for (auto& [hash, blob] : blobs_) {
      for (const std::string& name : blob.names) {
        places.emplace_back(name, &blob);
      }
    }
    std::ranges::stable_partition(places, [](const auto& place) { return !is_weights(place.first); });
    for (const auto& [name, blob] : places) {
      const bool last = name == blob->names.back();
      cache_.publish(remote_.commit, name, blob->file.hash, environment_.symlinks, blob->is_new && last);
    }
  }

  // A cache that cannot be written is as good without these.
  void remember(const std::string& revision) const {
    try {
      for (const std::string_view name : kNotedFiles) {
        if (std::ranges::find(remote_.files, name, &RemoteFile::name) == remote_.files.end()) {
          cache_.mark_absent(remote_.commit, name);
        }
      }
      cache_.write_reference(revision, remote_.commit);
    } catch (const Error&) {
      if (!blobs_.empty()) {
        throw;
      }
    }
  }

  /// Of several GGUF files one was taken unasked.
  void tell_choice(const std::vector<std::string>& taken) const {
    const auto chosen = std::ranges::find_if(taken, [](const std::string& name) { return name.ends_with(".gguf"); });
    const std::vector<std::string> ggufs = ggufs_of(remote_.files);
    if (chosen != taken.end() && ggufs.size() > 1) {
      say(fmt::format("'{}' has {} GGUF files, of which {} is taken; another one is named behind a colon, as in {}:{}",
                      remote_.name, ggufs.size(), printable(*chosen, 100), remote_.name,
                      printable(ggufs[ggufs[0] == *chosen ? 1 : 0], 100)));
    }
  }

  void say(std::string_view text) const {
    if (options_.on_message) {
      options_.on_message(text);
    }
  }

  const HubEnvironment& environment_;
  const HubOptions& options_;
  HttpClient& client_;
  HubApi& api_;
  RemoteRepository remote_;
  CachedRepository cache_;
  std::map<std::string, std::string> wanted_;  ///< file name -> hash
  std::map<std::string, Blob> blobs_;          ///< by hash: what was not there
  std::uint64_t total_bytes_ = 0;
  std::uint64_t done_bytes_ = 0;
  std::uint64_t new_bytes_ = 0;
  std::size_t done_files_ = 0;
  BlobDownload::Clock::time_point last_report_ = {};
};

}  // namespace

std::optional<Snapshot> download_snapshot(const std::string& repository, const std::string& revision,
                                          const HubEnvironment& environment, const HubOptions& options,
                                          const WantedFiles& files) {
  if (!environment.cache) {
    throw Error(ErrorCode::kIo, "there is no place for a download, as HF_HUB_CACHE, HF_HOME and HOME are all unset");
  }
  HttpClient client;
  HubApi api(
      client, environment, [&] { return !options.on_progress || options.on_progress({.file = {}}); },
      [&](std::string_view text) {
        if (options.on_message) {
          options.on_message(text);
        }
      });
  std::optional<RemoteRepository> remote = api.list(repository, revision);
  if (!remote) {
    return std::nullopt;
  }
  return SnapshotDownload(environment, options, client, api, std::move(*remote)).run(revision, files);
}

}  // namespace mlxe
