// Source: the hub's OpenAPI description, and huggingface_hub 2.4 (utils/_http.py) for its error headers.
#include "hub/hub_api.h"

#include <algorithm>
#include <charconv>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"
#include "hub/model_name.h"
#include "hub/retry.h"
#include "hub/web_address.h"

namespace mlxe {
namespace {

std::string short_text(const HttpHead& head) {
  const auto message = head.header("x-error-message");
  return fmt::format("{}{}", head.status, message ? fmt::format(" ({})", printable(*message, 200)) : std::string());
}

std::optional<std::uint64_t> parse_size(const std::optional<std::string>& text) {
  std::uint64_t size = 0;
  if (!text) {
    return std::nullopt;
  }
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), size);
  return error == std::errc() && end == text->data() + text->size() ? std::optional(size) : std::nullopt;
}

std::optional<std::uint64_t> size_in(const Json& object) {
  const auto found = object.find("size");
  return found != object.end() && found->is_number_unsigned() ? std::optional(found->get<std::uint64_t>())
                                                              : std::nullopt;
}

RemoteFile file_in(const Json& sibling, const std::string& what) {
  RemoteFile file{.name = text_in(sibling, "rfilename")};
  if (file.name.empty()) {
    throw Error(ErrorCode::kIo, fmt::format("{}: a file without 'rfilename'", what));
  }
  file.size = size_in(sibling);
  file.hash = text_in(sibling, "blobId");
  if (const auto lfs = sibling.find("lfs"); lfs != sibling.end() && lfs->is_object()) {
    file.hash = text_in(*lfs, "sha256");
    if (const auto size = size_in(*lfs)) {
      file.size = size;
    }
  }
  file.hash = hash_of_etag(file.hash);
  return file;
}

std::string token_advice(const HubEnvironment& environment) {
  return environment.token ? "the account of the token in use has no access"
                           : "no token was sent: set HF_TOKEN to one of an account with access "
                             "(https://huggingface.co/settings/tokens)";
}

}  // namespace

std::string text_in(const Json& object, const char* key) {
  if (!object.is_object()) {
    return {};
  }
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string hash_of_etag(std::string_view etag) {
  if (etag.starts_with("W/")) {
    etag.remove_prefix(2);
  }
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') {
    etag = etag.substr(1, etag.size() - 2);
  }
  std::string hash(etag);
  if (hash.size() == 40 || hash.size() == 64) {
    std::ranges::transform(hash, hash.begin(),
                           [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c; });
  }
  return hash;
}

std::optional<std::string> told_hash(const HttpHead& first) {
  for (const char* name : {"x-linked-etag", "etag"}) {
    if (const auto etag = first.header(name)) {
      return hash_of_etag(*etag);
    }
  }
  return std::nullopt;
}

bool is_from_a_store(const HttpHead& head, const HubEnvironment& environment) {
  return !head.url.empty() && origin_of(head.url) != origin_of(environment.endpoint);
}

Error hub_error(const HttpHead& head, const HubEnvironment& environment, std::string_view repository,
                std::string_view revision, std::string_view file) {
  if (is_from_a_store(head, environment)) {
    return {ErrorCode::kIo, fmt::format("{} gives out '{}' of '{}' at {}, which answers {}", environment.endpoint,
                                        printable(file, 200), repository, origin_of(head.url), short_text(head))};
  }
  const std::string code = head.header("x-error-code").value_or("");
  const std::string page = fmt::format("{}/{}", environment.endpoint, repository);
  if (code == "GatedRepo" || (head.status == 403 && code.empty())) {
    return {ErrorCode::kModelNotFound, fmt::format("'{}' is gated: its owner gives access on request, at {}; {}",
                                                   repository, page, token_advice(environment))};
  }
  if (code == "RevisionNotFound") {
    return {
        ErrorCode::kModelNotFound,
        fmt::format("'{}' has no revision '{}'; {}/tree/main shows its branches and tags", repository, revision, page)};
  }
  if (code == "EntryNotFound" || (head.status == 404 && !file.empty() && code.empty())) {
    return {ErrorCode::kModelNotFound,
            fmt::format("'{}' has no file '{}' at revision {}", repository, printable(file, 200), revision)};
  }
  if (head.status == 401 && environment.token) {
    return {ErrorCode::kModelNotFound,
            fmt::format("{} refuses the token in use: {}; HF_TOKEN or the file that `hf auth login` wrote holds it, "
                        "https://huggingface.co/settings/tokens makes a new one",
                        environment.endpoint, short_text(head))};
  }
  if (code == "RepoNotFound" || head.status == 401 || head.status == 404) {
    return {ErrorCode::kModelNotFound, fmt::format("there is no model '{}' on {}, or it is private; {}", repository,
                                                   environment.endpoint, token_advice(environment))};
  }
  const auto pause = wanted_pause(head);
  if (head.status == 429) {
    return {ErrorCode::kIo,
            fmt::format("{} answers 429, too many requests{}{}", environment.endpoint,
                        pause ? fmt::format(", and asks for a pause of {} s", pause->count() / 1000) : std::string(),
                        environment.token ? "" : "; set HF_TOKEN, as accounts may ask more often")};
  }
  return {ErrorCode::kIo, fmt::format("{} answers {} when asked for {}", environment.endpoint, short_text(head),
                                      file.empty() ? fmt::format("'{}' at '{}'", repository, revision)
                                                   : fmt::format("'{}' of '{}'", printable(file, 200), repository))};
}

HubApi::HubApi(HttpClient& client, const HubEnvironment& environment, std::function<bool()> keep_going,
               std::function<void(std::string_view)> say)
    : client_(client), environment_(environment), keep_going_(std::move(keep_going)), say_(std::move(say)) {}

HttpRequest HubApi::request(std::string method, std::string url) const {
  return {.method = std::move(method),
          .url = std::move(url),
          .token = environment_.token,
          .connect_timeout = environment_.answer_timeout,
          .stall_timeout = environment_.stall_timeout};
}

std::string HubApi::file_url(std::string_view repository, std::string_view commit, std::string_view file) const {
  return fmt::format("{}/{}/resolve/{}/{}", environment_.endpoint, repository, escape_url(commit, false),
                     escape_url(file, true));
}

HttpAnswer HubApi::ask(HttpRequest request) {
  request.stall_timeout = environment_.answer_timeout;
  Retry retry(environment_.first_pause);
  while (true) {
    HttpAnswer answer = client_.ask(request, keep_going_);
    const bool refused = answer.end.whole() && is_temporary_status(answer.head.status);
    if (answer.end.whole() && !refused) {
      return answer;
    }
    const auto pause = retry.after_failure(refused ? wanted_pause(answer.head) : std::nullopt);
    // Without a connection one more try is enough, and after a time without an answer none: there is mostly no network.
    if (!pause || (!refused && (!answer.end.temporary ||
                                (answer.end.unreachable && (answer.end.timed_out || retry.failures() > 1))))) {
      if (refused) {
        return answer;
      }
      if (answer.end.unreachable) {
        throw HubUnreachable(ErrorCode::kIo,
                             fmt::format("{} cannot be reached: {}", environment_.endpoint, answer.end.problem));
      }
      throw Error(ErrorCode::kIo, fmt::format("{}: {}", printable(request.url, 300), answer.end.problem));
    }
    if (*pause >= std::chrono::seconds(1)) {
      say_(refused ? fmt::format("{} answers {}; trying again in {:.0f} s", environment_.endpoint, answer.head.status,
                                 static_cast<double>(pause->count()) / 1000)
                   : fmt::format("{}; trying again", answer.end.problem));
    }
    wait(*pause);
  }
}

void HubApi::wait(std::chrono::milliseconds pause) const {
  for (auto left = pause; left.count() > 0; left -= std::chrono::milliseconds(100)) {
    if (!keep_going_()) {
      throw Error(ErrorCode::kCancelled, "the talk with the hub was stopped");
    }
    std::this_thread::sleep_for(std::min(left, std::chrono::milliseconds(100)));
  }
}

std::optional<RemoteRepository> HubApi::list(const std::string& repository, const std::string& revision) {
  const std::string url = fmt::format("{}/api/models/{}/revision/{}?blobs=true", environment_.endpoint, repository,
                                      escape_url(revision, false));
  const HttpAnswer answer = ask(request("GET", url));
  if (!answer.head.ok()) {
    const std::string code = answer.head.header("x-error-code").value_or("");
    // Asked by a stranger, the hub says 401 for what is private and for what never was.
    const bool hidden = answer.head.status == 401 && !environment_.token && code != "GatedRepo";
    if (code == "RepoNotFound" || hidden || (answer.head.status == 404 && code.empty())) {
      return std::nullopt;
    }
    throw hub_error(answer.head, environment_, repository, revision, "");
  }
  const std::string what = fmt::format("the list of files of '{}'", repository);
  Json state;
  try {
    state = parse_json(answer.body, what);
  } catch (const Error& error) {
    throw Error(ErrorCode::kIo, fmt::format("{} is no answer of a hub: {}", url, error.what()));
  }
  RemoteRepository remote{.name = repository, .commit = state.is_object() ? text_in(state, "sha") : "", .files = {}};
  const auto siblings = state.is_object() ? state.find("siblings") : state.end();
  if (!is_commit(remote.commit) || siblings == state.end() || !siblings->is_array()) {
    throw Error(ErrorCode::kIo, fmt::format("{} is no answer of a hub: wanted 'sha' and 'siblings'", url));
  }
  for (const Json& sibling : *siblings) {
    remote.files.push_back(file_in(sibling, what));
  }
  return remote;
}

RemoteFile HubApi::describe(const RemoteRepository& repository, const std::string& file) {
  const HttpAnswer answer = ask(request("HEAD", file_url(repository.name, repository.commit, file)));
  // The first answer is the hub's own; behind a redirect a store of files names them as it likes.
  const bool redirected = answer.first.status >= 300 && answer.first.status < 400;
  if (!answer.head.ok() && !(redirected && answer.first.header("x-linked-etag"))) {
    throw hub_error(answer.head, environment_, repository.name, repository.commit, file);
  }
  RemoteFile described{.name = file, .hash = told_hash(answer.first).value_or("")};
  described.size = parse_size(answer.first.header("x-linked-size"));
  if (!described.size) {
    described.size = parse_size(answer.head.header("content-length"));
  }
  if (!described.size || described.hash.empty() || !is_safe_file_name(described.hash) ||
      described.hash.find('/') != std::string::npos) {
    throw Error(ErrorCode::kIo, fmt::format("{} tells neither ETag nor size of '{}', wanted both of a hub",
                                            environment_.endpoint, printable(file, 200)));
  }
  return described;
}

}  // namespace mlxe
