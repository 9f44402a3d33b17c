// The talk about a download on stderr: a bar of bytes, waits and retries, and Ctrl-C.
#pragma once

#include <optional>

#include "mlxe/hub.h"
#include "progress_bar.h"
#include "session.h"

namespace mlxe::cli {

class HubTalk {
 public:
  explicit HubTalk(const Session& session);

  /// The session's, with callbacks that live as long as this object.
  [[nodiscard]] HubOptions options();
  void finish();  ///< wipes the bar

 private:
  const Session& session_;
  std::optional<ProgressBar> bar_;
  bool bar_wanted_;
};

}  // namespace mlxe::cli
