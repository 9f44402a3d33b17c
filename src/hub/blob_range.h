// A range of a blob on its way: what BlobDownload keeps of each, and how its answers reach the download.
#pragma once

#include <cstdint>
#include <deque>

#include "hub/blob_download.h"

namespace mlxe {

/// Bytes [begin, end) of the content. Survives a broken connection and goes on where it broke.
class BlobDownload::Range final : public HttpHandler {
 public:
  Range(BlobDownload& owner, std::uint64_t begin, std::uint64_t end) : begin_(begin), end_(end), owner_(owner) {}
  ~Range() override { stop(); }
  Range(const Range&) = delete;
  Range& operator=(const Range&) = delete;

  void stop() {
    if (active_) {
      owner_.context_.client.cancel(*this);
      active_ = false;
    }
  }
  [[nodiscard]] std::uint64_t next() const { return begin_ + received_; }
  [[nodiscard]] bool complete() const { return next() == end_; }

  void on_redirect(const HttpHead& head) override {
    if (dropped_) {
      return;
    }
    if (!seen_first_) {
      seen_first_ = true;
      first_is_right_ = owner_.judge_first(head);
    }
  }
  bool on_head(const HttpHead& head) override {
    head_ = head;
    if (dropped_) {
      return false;
    }
    if (!seen_first_ && head.ok() && asked_hub_) {
      seen_first_ = true;
      first_is_right_ = owner_.judge_first(head);
    }
    return first_is_right_ && owner_.judge_head(*this, head);
  }
  bool on_data(const char* bytes, std::size_t count) override {
    if (dropped_) {
      return false;
    }
    // More than asked for: nothing of it belongs here.
    if (count > end_ - next()) {
      too_much_ = true;
      return false;
    }
    owner_.take(*this, bytes, count);
    return true;
  }
  void on_end(const HttpEnd& end) override {
    active_ = false;
    if (!dropped_) {
      owner_.settle(*this, end);  // may be the end of this object
    }
  }

  std::uint64_t begin_;
  std::uint64_t end_;
  std::uint64_t received_ = 0;
  bool active_ = false;
  bool asked_hub_ = false;  ///< the request went to the hub itself, not to a remembered address
  bool seen_first_ = false;
  bool first_is_right_ = true;
  bool body_taken_ = false;  ///< judge_head() wanted the body
  bool too_much_ = false;
  bool dropped_ = false;  ///< no longer wanted; ended when no function of curl is running
  HttpHead head_;
  std::deque<ByteBuffer> held_;  ///< arrived before its turn

 private:
  BlobDownload& owner_;
};

}  // namespace mlxe
