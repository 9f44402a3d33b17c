// BlobDownload: one file of a repository on its way into the cache, in ranges that arrive side by side.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/blob_file.h"
#include "hub/cache_layout.h"
#include "hub/cache_lock.h"
#include "hub/file_selection.h"
#include "hub/http_client.h"
#include "hub/hub_api.h"
#include "hub/retry.h"
#include "hub/write_queue.h"

namespace mlxe {

/// What the downloads of one snapshot share.
struct DownloadContext {
  HttpClient& client;
  const HubApi& api;
  const CachedRepository& cache;
  const RemoteRepository& remote;
  WriteQueue& queue;
  std::function<void(std::string_view)> say;
};

/// Advanced by a loop until it is done; does not block on the network. The file on disk is at any moment a beginning of
/// the content, so a later process goes on at its end. Ranges behind the first are held in memory until their turn.
class BlobDownload {
 public:
  using Clock = std::chrono::steady_clock;

  BlobDownload(DownloadContext context, RemoteFile file);
  ~BlobDownload();  ///< keeps what arrived in order
  BlobDownload(const BlobDownload&) = delete;
  BlobDownload& operator=(const BlobDownload&) = delete;

  /// Starts what can be started with at most `free_connections` more, checks what has ended.
  /// \throws Error{kModelNotFound} as the hub says; Error{kCorruptModel} for content with the wrong hash, twice;
  ///         Error{kIo} of the network, after the retries, and of the disk
  void advance(int free_connections);

  [[nodiscard]] bool done() const { return state_ == State::kDone; }
  [[nodiscard]] bool is_new() const {
    return is_new_;
  }  ///< when done: not found in the cache, so no snapshot links to it
  [[nodiscard]] int num_connections() const;
  [[nodiscard]] std::uint64_t done_bytes() const;  ///< on this machine, in the file or held for it
  [[nodiscard]] std::uint64_t new_bytes() const { return received_; }
  [[nodiscard]] const RemoteFile& file() const { return file_; }

 private:
  class Range;
  enum class State { kLocking, kMoving, kFinishing, kDone };

  void take_lock();
  void open_file();
  void start_ranges(int free_connections);
  void start_range(Range& range);
  bool judge_first(const HttpHead& head);
  bool judge_head(Range& range, const HttpHead& head);
  void take(Range& range, const char* bytes, std::size_t count);
  void settle(Range& range, const HttpEnd& end);
  void hand_on();
  void flush();
  void fail(const HttpEnd* end, const HttpHead* head);
  void start_over(std::string_view why);
  void check_content();
  [[noreturn]] void throw_pointer() const;

  DownloadContext context_;
  RemoteFile file_;
  State state_ = State::kLocking;
  bool is_new_ = false;
  std::optional<CacheLock> lock_;
  bool told_of_lock_ = false;
  Clock::time_point next_look_ = {};
  std::unique_ptr<BlobFile> content_;
  ByteBuffer buffer_;                            ///< of the first range, not yet in content_
  std::deque<std::unique_ptr<Range>> ranges_;    ///< in the order of the file
  std::vector<std::unique_ptr<Range>> dropped_;  ///< to be ended outside of their callbacks
  std::string beginning_;                        ///< the first bytes that arrived, to tell what came instead
  std::uint64_t next_begin_ = 0;                 ///< where the range after the last of ranges_ begins
  std::string direct_url_;                       ///< behind the redirects, once it is known
  std::string strong_etag_;                      ///< of what is at direct_url_
  bool whole_only_ = false;                      ///< the server gives no ranges
  Retry retry_;
  Clock::time_point next_try_ = {};
  std::uint64_t most_in_order_ = 0;  ///< the furthest that the file ever came; only beyond it is a gain
  std::uint64_t received_ = 0;
  int num_restarts_ = 0;
  int num_mismatches_ = 0;
};

}  // namespace mlxe
