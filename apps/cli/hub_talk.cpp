// HubOptions whose callbacks draw, speak and notice signals.
#include "hub_talk.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

#include "interrupt.h"

namespace mlxe::cli {
namespace {

bool bars_disabled() {
  const char* value = std::getenv("HF_HUB_DISABLE_PROGRESS_BARS");
  std::string word = value == nullptr ? "" : value;
  std::transform(word.begin(), word.end(), word.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return word == "1" || word == "ON" || word == "YES" || word == "TRUE";
}

}  // namespace

HubTalk::HubTalk(const Session& session) : session_(session), bar_wanted_(!session.quiet && !bars_disabled()) {}

HubOptions HubTalk::options() {
  HubOptions options = session_.load.hub;
  options.on_progress = [this](const TransferProgress& progress) {
    if (!bar_) {
      bar_.emplace(bar_wanted_);  // here, so that its clock starts with the transfer
    }
    bar_->update(progress);
    return interrupt_signal() == 0;
  };
  options.on_message = [this](std::string_view text) {
    finish();
    say(session_, text);
  };
  return options;
}

void HubTalk::finish() {
  if (bar_) {
    bar_->wipe();
  }
}

}  // namespace mlxe::cli
