// The states of a download and the judgement of answers; every way in which they can be wrong ends in a new try or an
// error.
#include "hub/blob_download.h"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "base/utf8.h"
#include "hub/blob_hash.h"
#include "hub/blob_range.h"
#include "hub/web_address.h"

namespace mlxe {
namespace {

// Long enough that a request costs nothing beside it, short enough that what is held for its turn stays small.
constexpr std::uint64_t kRangeBytes = std::uint64_t{16} << 20U;
constexpr std::chrono::milliseconds kLockLook{100};
constexpr std::string_view kPointer = "version https://git-lfs";

bool is_present(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

/// "bytes 5-9/20": first byte and whole size; the size may be "*".
bool is_range_from(const std::string& text, std::uint64_t begin, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes ";
  if (!text.starts_with(kUnit)) {
    return false;
  }
  std::uint64_t first = 0;
  const auto [end, error] = std::from_chars(text.data() + kUnit.size(), text.data() + text.size(), first);
  const std::size_t slash = text.find('/');
  if (error != std::errc() || *end != '-' || first != begin || slash == std::string::npos) {
    return false;
  }
  const std::string total = text.substr(slash + 1);
  return total == "*" || total == std::to_string(size);
}

}  // namespace

BlobDownload::BlobDownload(DownloadContext context, RemoteFile file)
    : context_(std::move(context)), file_(std::move(file)), retry_(context_.api.environment().first_pause) {}

BlobDownload::~BlobDownload() {
  try {
    if (content_ && !ranges_.empty()) {
      flush();
    }
  } catch (...) {
    // The file is shorter then, and right all the same.
  }
}

int BlobDownload::num_connections() const {
  return static_cast<int>(std::ranges::count_if(ranges_, [](const auto& range) { return range->active_; }));
}

std::uint64_t BlobDownload::done_bytes() const {
  if (state_ == State::kDone) {
    return file_.size.value_or(0);
  }
  std::uint64_t count = content_ ? content_->size() + buffer_.size : 0;
  for (std::size_t i = 1; i < ranges_.size(); ++i) {
    count += ranges_[i]->received_;
  }
  return count;
}

void BlobDownload::advance(int free_connections) {
  dropped_.clear();
  if (state_ == State::kLocking && free_connections > 0) {
    take_lock();
  }
  if (state_ == State::kMoving) {
    static_cast<void>(content_->finished());  // throws what went wrong on disk
    hand_on();
    if (content_->size() == *file_.size) {
      content_->finish();
      state_ = State::kFinishing;
    } else {
      start_ranges(free_connections);
    }
  }
  if (state_ == State::kFinishing && content_->finished()) {
    check_content();
  }
}

void BlobDownload::take_lock() {
  if (Clock::now() < next_look_) {
    return;
  }
  if (is_present(context_.cache.blob(file_.hash))) {
    state_ = State::kDone;
    return;
  }
  lock_ = CacheLock::try_take(context_.cache.lock(file_.hash));
  if (!lock_) {
    next_look_ = Clock::now() + kLockLook;
    if (!std::exchange(told_of_lock_, true)) {
      context_.say(fmt::format("another process is downloading {}; waiting for it", printable(file_.name, 100)));
    }
    return;
  }
  if (is_present(context_.cache.blob(file_.hash))) {  // made between the look and the lock
    state_ = State::kDone;
    lock_.reset();
    return;
  }
  open_file();
}

void BlobDownload::open_file() {
  std::filesystem::path path = context_.cache.incomplete(file_.hash);
  if (lock_->kind() == CacheLock::Kind::kUnavailable) {
    // Without locks another process may be writing that one.
    path = context_.cache.blob(fmt::format("{}.{:08x}.incomplete", file_.hash, static_cast<unsigned>(::getpid())));
  }
  content_ = std::make_unique<BlobFile>(path, file_.hash, *file_.size, context_.queue);
  most_in_order_ = next_begin_ = content_->size();
  state_ = State::kMoving;
}

void BlobDownload::start_ranges(int free_connections) {
  if (Clock::now() < next_try_) {
    return;
  }
  if (whole_only_ && !ranges_.empty() && !ranges_.front()->active_ && ranges_.front()->received_ > 0) {
    start_over("");  // its beginning comes again
  }
  for (const auto& range : ranges_) {
    const bool may_start = range == ranges_.front() || (!whole_only_ && !direct_url_.empty());
    if (free_connections > 0 && may_start && !range->active_ && !range->complete()) {
      start_range(*range);
      --free_connections;
    }
  }
  // The first answer says where the content is and whether there are ranges of it; until then it is the only one.
  while (free_connections > 0 && next_begin_ < *file_.size &&
         (ranges_.empty() || (!whole_only_ && !direct_url_.empty()))) {
    const std::uint64_t end = std::min(next_begin_ + kRangeBytes, *file_.size);
    ranges_.push_back(std::make_unique<Range>(*this, next_begin_, whole_only_ ? *file_.size : end));
    next_begin_ = ranges_.back()->end_;
    start_range(*ranges_.back());
    --free_connections;
  }
}

void BlobDownload::start_range(Range& range) {
  const bool direct = !direct_url_.empty();
  HttpRequest request = context_.api.request(
      "GET", direct ? direct_url_ : context_.api.file_url(context_.remote.name, context_.remote.commit, file_.name));
  // The token is for the hub; an address that it gave out carries its own right to read.
  if (direct && origin_of(direct_url_) != origin_of(context_.api.environment().endpoint)) {
    request.token.reset();
  }
  if (!whole_only_ && (range.next() > 0 || range.end_ < *file_.size)) {
    request.headers.push_back(fmt::format("Range: bytes={}-{}", range.next(), range.end_ - 1));
    if (!strong_etag_.empty()) {
      request.headers.push_back("If-Range: " + strong_etag_);
    } else if (!file_.is_large() && is_blob_hash(file_.hash)) {
      // The hub itself serves small files, under their hash. Where a large one lies its ETag is not known beforehand.
      request.headers.push_back(fmt::format("If-Range: \"{}\"", file_.hash));
    }
  }
  range.asked_hub_ = !direct;
  range.seen_first_ = range.body_taken_ = range.too_much_ = false;
  range.first_is_right_ = true;
  range.head_ = {};
  context_.client.start(std::move(request), range);
  range.active_ = true;
}

// The commit was pinned: a first answer that tells of another commit or hash is not about this file.
bool BlobDownload::judge_first(const HttpHead& head) {
  const auto commit = head.header("x-repo-commit");
  const auto hash = told_hash(head);
  const bool same_commit = !commit || *commit == context_.remote.commit;
  // A redirect without the hub's own header names no hash, and some proxies make ETags of their own.
  const bool same_hash = !hash || !is_blob_hash(*hash) || hash->size() != file_.hash.size() || *hash == file_.hash;
  return same_commit && same_hash;
}

bool BlobDownload::judge_head(Range& range, const HttpHead& head) {
  const bool first = ranges_.front().get() == &range;
  if (head.status == 206) {
    range.body_taken_ = is_range_from(head.header("content-range").value_or(""), range.next(), *file_.size);
  } else if (head.status == 200 && first) {
    // All of it, though a part may have been asked for.
    if (content_->size() + buffer_.size > 0 || range.begin_ > 0) {
      buffer_.size = 0;
      content_->restart();
    }
    while (ranges_.size() > 1) {
      ranges_.back()->dropped_ = true;
      dropped_.push_back(std::move(ranges_.back()));
      ranges_.pop_back();
    }
    range.begin_ = range.received_ = 0;
    range.end_ = next_begin_ = *file_.size;
    range.body_taken_ = true;
  }
  if (range.body_taken_) {
    direct_url_ = head.url;
    const std::string etag = head.header("etag").value_or("");
    strong_etag_ = etag.starts_with('"') ? etag : std::string();
  }
  return range.body_taken_;
}

void BlobDownload::take(Range& range, const char* bytes, std::size_t count) {
  const bool first = ranges_.front().get() == &range;
  if (range.next() == 0) {
    constexpr std::size_t kBeginning = 64;
    beginning_.assign(bytes, std::min(count, kBeginning));
  }
  range.received_ += count;
  received_ += count;
  while (count > 0) {
    if (!first && (range.held_.empty() || range.held_.back().room() == 0)) {
      range.held_.emplace_back();
    }
    ByteBuffer& buffer = first ? buffer_ : range.held_.back();
    const std::size_t part = std::min(count, buffer.room());
    std::copy_n(bytes, part, buffer.bytes.get() + buffer.size);
    buffer.size += part;
    bytes += part;
    count -= part;
    if (first && buffer.room() == 0) {
      flush();
    }
  }
}

void BlobDownload::flush() {
  if (buffer_.size > 0) {
    content_->append(std::exchange(buffer_, ByteBuffer()));
  }
  if (content_->size() > most_in_order_) {
    most_in_order_ = content_->size();
    retry_.reset();
  }
}

// What the first range held or finished goes into the file, and the next one takes its place.
void BlobDownload::hand_on() {
  while (!ranges_.empty() && ranges_.front()->complete()) {
    flush();
    ranges_.pop_front();
    if (!ranges_.empty()) {
      for (ByteBuffer& held : ranges_.front()->held_) {
        if (held.size > 0) {
          content_->append(std::move(held));
        }
      }
      ranges_.front()->held_.clear();
    }
  }
}

void BlobDownload::settle(Range& range, const HttpEnd& end) {
  const HttpHead& head = range.head_;
  const bool first = ranges_.front().get() == &range;
  if (range.body_taken_) {
    if (first) {
      flush();
    }
    if (range.complete()) {
      return;  // hand_on() does the rest
    }
    if (range.too_much_ || end.whole()) {
      if (beginning_.starts_with(kPointer)) {
        throw_pointer();
      }
      start_over(fmt::format("the answer has another length than the {} bytes of the file", *file_.size));
    } else {
      fail(&end, nullptr);
    }
    return;
  }
  if (!end.whole()) {
    fail(&end, nullptr);
  } else if (!range.first_is_right_) {
    start_over("the hub answers with another commit or hash than it listed");
  } else if (head.status == 206 || head.status == 416) {
    whole_only_ = true;
    start_over(head.status == 416 ? "the server refuses the rest of it"
                                  : "the server sent another part than asked for");
  } else if (head.status == 200) {
    whole_only_ = true;  // from the first range on
    fail(nullptr, nullptr);
  } else if (is_temporary_status(head.status)) {
    fail(nullptr, &head);
  } else if (!range.asked_hub_ || is_from_a_store(head, context_.api.environment())) {
    direct_url_.clear();  // such addresses expire; the hub gives out a new one
    strong_etag_.clear();
    fail(nullptr, &head);
  } else {
    throw hub_error(head, context_.api.environment(), context_.remote.name, context_.remote.commit, file_.name);
  }
}

void BlobDownload::fail(const HttpEnd* end, const HttpHead* head) {
  if (Clock::now() < next_try_ && (end == nullptr || end->temporary)) {
    return;  // connections that break together are one failure
  }
  const auto pause = retry_.after_failure(head != nullptr ? wanted_pause(*head) : std::nullopt);
  const bool final = end != nullptr && !end->temporary;
  if (!pause || final) {
    if (head != nullptr) {
      throw hub_error(*head, context_.api.environment(), context_.remote.name, context_.remote.commit, file_.name);
    }
    throw Error(ErrorCode::kIo,
                fmt::format("'{}' of '{}' cannot be downloaded: {}; what has arrived is kept, run it again to go on",
                            printable(file_.name, 200), context_.remote.name,
                            end != nullptr ? end->problem : "the server gives its beginning only"));
  }
  next_try_ = Clock::now() + *pause;
  if (*pause >= std::chrono::seconds(1)) {
    context_.say(fmt::format("{}: {}; going on in {:.0f} s", printable(file_.name, 100),
                             head != nullptr  ? fmt::format("the hub answers {}", head->status)
                             : end != nullptr ? end->problem
                                              : "no range",
                             static_cast<double>(pause->count()) / 1000));
  }
}

void BlobDownload::start_over(std::string_view why) {
  constexpr int kMaxRestarts = 2;
  if (!why.empty() && ++num_restarts_ > kMaxRestarts) {
    throw Error(ErrorCode::kIo, fmt::format("'{}' of '{}' cannot be downloaded: {}", printable(file_.name, 200),
                                            context_.remote.name, why));
  }
  ranges_.clear();
  buffer_.size = 0;
  content_->restart();
  next_begin_ = 0;
  direct_url_.clear();
  strong_etag_.clear();
}

void BlobDownload::throw_pointer() const {
  throw Error(
      ErrorCode::kCorruptModel,
      fmt::format("{} serves a git-LFS pointer in place of '{}' of '{}', wanted the content that it stands for; "
                  "try another HF_ENDPOINT, or tell the owner of that one",
                  context_.api.environment().endpoint, printable(file_.name, 200), context_.remote.name));
}

void BlobDownload::check_content() {
  const bool is_pointer = content_->first_bytes().starts_with(kPointer);
  if (content_->found_hash() == file_.hash && !(is_pointer && file_.name.ends_with(".safetensors"))) {
    content_->publish(context_.cache.blob(file_.hash));
    content_.reset();
    lock_.reset();
    is_new_ = true;
    state_ = State::kDone;
    return;
  }
  const std::string found = content_->found_hash();
  content_->remove();
  content_.reset();
  if (is_pointer) {
    throw_pointer();
  }
  if (++num_mismatches_ > 1) {
    throw Error(ErrorCode::kCorruptModel,
                fmt::format("'{}' of '{}' was downloaded twice and has the hash {}, the hub says {}; nothing was kept",
                            printable(file_.name, 200), context_.remote.name, found, file_.hash));
  }
  context_.say(fmt::format("{} arrived with the wrong hash; downloading it again", printable(file_.name, 100)));
  ranges_.clear();
  direct_url_.clear();
  strong_etag_.clear();
  retry_.reset();
  open_file();
}

}  // namespace mlxe
