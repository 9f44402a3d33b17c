// The hub's answers to questions: what a revision is, which files it has, and why something may not be had.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "hub/file_selection.h"
#include "hub/http_client.h"
#include "hub/hub_environment.h"
#include "mlxe/error.h"

namespace mlxe {

/// No connection to the hub came about; what the cache has may do.
class HubUnreachable : public Error {
 public:
  using Error::Error;
};

/// A repository at one commit.
struct RemoteRepository {
  std::string name;
  std::string commit;
  std::vector<RemoteFile> files;
};

class HubApi {
 public:
  /// \param keep_going  asked while waiting; false ends it with Error{kCancelled}
  /// \param say         told of pauses
  HubApi(HttpClient& client, const HubEnvironment& environment, std::function<bool()> keep_going,
         std::function<void(std::string_view)> say);

  /// The commit that a revision stands for now, and its files with their hashes and sizes.
  /// Nothing if the hub has no such repository or shows it to nobody without a token.
  /// \throws Error{kModelNotFound} for a revision that is not there, a gated repository, a refused token;
  ///         HubUnreachable; Error{kIo} for answers that are none; Error{kCancelled}
  [[nodiscard]] std::optional<RemoteRepository> list(const std::string& repository, const std::string& revision);

  /// Hash and size of a file that the list told none of.
  [[nodiscard]] RemoteFile describe(const RemoteRepository& repository, const std::string& file);

  /// An exchange with retries and their pauses. \throws HubUnreachable, Error{kIo}, Error{kCancelled}
  [[nodiscard]] HttpAnswer ask(HttpRequest request);

  /// A pause that can be ended. \throws Error{kCancelled}
  void wait(std::chrono::milliseconds pause) const;

  [[nodiscard]] HttpRequest request(std::string method, std::string url) const;
  [[nodiscard]] std::string file_url(std::string_view repository, std::string_view commit, std::string_view file) const;
  [[nodiscard]] const HubEnvironment& environment() const { return environment_; }

 private:
  HttpClient& client_;
  const HubEnvironment& environment_;
  std::function<bool()> keep_going_;
  std::function<void(std::string_view)> say_;
};

/// The text under a key of an answer's object; empty if there is none.
[[nodiscard]] std::string text_in(const Json& object, const char* key);

/// Why the hub gave no file or list, with what to do about it.
/// \param file  empty: it was asked for the whole revision
[[nodiscard]] Error hub_error(const HttpHead& head, const HubEnvironment& environment, std::string_view repository,
                              std::string_view revision, std::string_view file);

/// True for an answer of another host, which a redirect led to: what it refuses says nothing of the model.
[[nodiscard]] bool is_from_a_store(const HttpHead& head, const HubEnvironment& environment);

/// The hash in an ETag: without W/ and quotes, in lower case.
[[nodiscard]] std::string hash_of_etag(std::string_view etag);

/// What a first answer about a file says of its hash: X-Linked-Etag of a large one, else its ETag; nothing if neither.
[[nodiscard]] std::optional<std::string> told_hash(const HttpHead& first);

}  // namespace mlxe
