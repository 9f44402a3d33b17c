// upload_folder: a folder's files as one commit on the hub; large ones by Git LFS first.
// Source: the hub's OpenAPI description, Git LFS's batch API, and huggingface_hub 2.4 (_commit_api.py, lfs.py).
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <map>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/base64.h"
#include "base/files.h"
#include "base/utf8.h"
#include "hub/blob_hash.h"
#include "hub/hub_api.h"
#include "hub/model_name.h"
#include "hub/retry.h"
#include "hub/web_address.h"
#include "mlxe/hub.h"

namespace mlxe {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSample = 512;          // the first bytes, by which the hub tells text from data
constexpr std::size_t kFilesPerAsking = 256;  // in one question about them
constexpr std::chrono::seconds kStoreTimeout{120};

struct LocalFile {
  std::string name;  // in the repository
  std::string path;
  std::uint64_t size = 0;
  bool large = false;       // goes through LFS
  std::string sha256 = {};  // of a large one
};

/// Of a folder, but hidden ones and what lies in hidden folders.
std::vector<LocalFile> files_of(const fs::path& folder) {
  if (!fs::is_directory(folder)) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("'{}' is no folder, so it cannot be uploaded", folder.string()));
  }
  std::vector<LocalFile> files;
  const auto hidden = [](const fs::path& path) { return path.filename().string().starts_with('.'); };
  for (auto entry = fs::recursive_directory_iterator(folder); entry != fs::recursive_directory_iterator(); ++entry) {
    if (hidden(entry->path())) {
      entry.disable_recursion_pending();
    } else if (entry->is_regular_file()) {
      const std::string name = entry->path().lexically_relative(folder).generic_string();
      if (!is_safe_file_name(name)) {
        throw Error(ErrorCode::kInvalidInput,
                    fmt::format("'{}' is no name for a file of a repository", printable(name, 200)));
      }
      files.push_back({.name = name, .path = entry->path().string(), .size = entry->file_size()});
    }
  }
  if (files.empty()) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("'{}' holds no files to upload", folder.string()));
  }
  std::ranges::sort(files, {}, &LocalFile::name);
  return files;
}

std::string first_bytes(const LocalFile& file, std::size_t count) {
  std::ifstream stream(file.path, std::ios::binary);
  std::string bytes(std::min<std::uint64_t>(count, file.size), '\0');
  if (!stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) {
    throw Error(ErrorCode::kIo, fmt::format("cannot read {}", file.path));
  }
  return bytes;
}

class Uploader {
 public:
  Uploader(const HubEnvironment& environment, std::string repository, const UploadOptions& options)
      : environment_(environment),
        repository_(std::move(repository)),
        options_(options),
        api_(client_, environment, [this] { return goes_on(); }, [this](std::string_view text) { say(text); }) {}

  Upload run(std::vector<LocalFile> files) {
    for (const LocalFile& file : files) {
      progress_.total_bytes += file.size;
    }
    progress_.num_files = files.size();
    create_repository();
    choose_ways(files);
    send_large(files);
    Upload upload = commit(files);
    upload.num_files = files.size();
    upload.new_bytes = progress_.new_bytes;
    return upload;
  }

 private:
  void say(std::string_view text) const {
    if (options_.on_message) {
      options_.on_message(text);
    }
  }

  bool goes_on() { return !options_.on_progress || options_.on_progress(progress_); }

  void check_cancelled() {
    if (!goes_on()) {
      throw Error(ErrorCode::kCancelled, "the upload was cancelled; nothing was committed");
    }
  }

  HttpRequest post(const std::string& path, std::string body, const char* type = "application/json") const {
    HttpRequest request = api_.request("POST", environment_.endpoint + path);
    request.headers.push_back(fmt::format("Content-Type: {}", type));
    request.body = std::move(body);
    return request;
  }

  [[noreturn]] void refuse(const HttpHead& head) const {
    if (head.status == 403) {
      throw Error(
          ErrorCode::kModelNotFound,
          fmt::format("the token in use may not write to '{}'; https://huggingface.co/settings/tokens makes one "
                      "that may",
                      repository_));
    }
    throw hub_error(head, environment_, repository_, options_.revision, "");
  }

  Json answer_to(HttpRequest request, const char* what) {
    const HttpAnswer answer = api_.ask(std::move(request));
    if (!answer.head.ok()) {
      refuse(answer.head);
    }
    Json json = Json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) {
      throw Error(ErrorCode::kIo,
                  fmt::format("{}: the answer about {} is no JSON object", environment_.endpoint, what));
    }
    return json;
  }

  void create_repository() {
    const std::size_t slash = repository_.find('/');
    const Json body = {{"type", "model"},
                       {"organization", repository_.substr(0, slash)},
                       {"name", repository_.substr(slash + 1)},
                       {"private", options_.is_private}};
    const HttpAnswer answer = api_.ask(post("/api/repos/create", body.dump()));
    if (!answer.head.ok() && answer.head.status != 409) {  // 409: it is there
      refuse(answer.head);
    }
  }

  /// Asks which files are large, or data; leaves out those that the repository ignores.
  void choose_ways(std::vector<LocalFile>& files) {
    const std::string path =
        fmt::format("/api/models/{}/preupload/{}", repository_, escape_url(options_.revision, false));
    std::map<std::string, std::string> ways;  // by name
    for (std::size_t begin = 0; begin < files.size(); begin += kFilesPerAsking) {
      Json body = {{"files", Json::array()}};
      for (std::size_t i = begin; i < std::min(begin + kFilesPerAsking, files.size()); ++i) {
        body["files"].push_back(
            {{"path", files[i].name}, {"size", files[i].size}, {"sample", base64(first_bytes(files[i], kSample))}});
      }
      const Json answer = answer_to(post(path, body.dump()), "the files");
      for (const Json& one : answer.value("files", Json::array())) {
        const bool ignored = one.is_object() && one.value("shouldIgnore", Json()) == true;
        ways[text_in(one, "path")] = ignored ? "ignored" : text_in(one, "uploadMode");
      }
    }
    for (LocalFile& file : files) {
      const std::string& way = ways[file.name];
      file.large = way == "lfs";
      if (!file.large && way != "regular" && way != "ignored") {
        throw Error(ErrorCode::kIo, fmt::format("{} does not say how it takes '{}', wanted 'lfs' or 'regular'",
                                                environment_.endpoint, file.name));
      }
    }
    std::erase_if(files, [&](const LocalFile& file) { return ways[file.name] == "ignored"; });
  }

  void hash(LocalFile& file) {
    std::uint64_t read = 0;
    file.sha256 = hash_file(file.path, std::string(64, '0'), file.size, [&](std::size_t count) {
      read += count;
      check_cancelled();
    });
    if (read != file.size) {
      throw Error(ErrorCode::kIo,
                  fmt::format("{} has {} bytes, and {} were to be uploaded", file.path, read, file.size));
    }
  }

  void send_large(std::vector<LocalFile>& files) {
    for (LocalFile& file : files) {
      if (!file.large) {
        continue;
      }
      progress_.file = file.name;
      hash(file);
      const Json object = {{"oid", file.sha256}, {"size", file.size}};
      const Json batch = {{"operation", "upload"},
                          {"transfers", {"basic"}},
                          {"hash_algo", "sha256"},
                          {"ref", {{"name", options_.revision}}},
                          {"objects", Json::array({object})}};
      HttpRequest request = post(fmt::format("/{}.git/info/lfs/objects/batch", repository_), batch.dump(),
                                 "application/vnd.git-lfs+json");
      request.headers.emplace_back("Accept: application/vnd.git-lfs+json");
      const Json answer = answer_to(std::move(request), "large files");
      send(file, answer);
      progress_.done_bytes += file.size;
      ++progress_.done_files;
      check_cancelled();
    }
  }

  /// As the batch's answer wants it; nothing where the hub has the file.
  void send(const LocalFile& file, const Json& answer) {
    const Json::json_pointer first("/objects/0");
    const Json object = answer.contains(first) ? answer.at(first) : Json::object();
    if (const auto error = object.find("error"); error != object.end()) {
      const std::string why = text_in(*error, "message");
      throw Error(ErrorCode::kIo, fmt::format("{} does not take '{}': {}", environment_.endpoint, file.name,
                                              why.empty() ? "no reason given" : printable(why, 200)));
    }
    const Json actions = object.value("actions", Json::object());
    if (!actions.contains("upload")) {
      return;
    }
    const Json upload = actions["upload"];
    HttpRequest put = {
        .method = "PUT", .url = address_in(upload, file), .body_file = file.path, .body_size = file.size};
    const Json header = upload.value("header", Json::object());
    for (const auto& [name, value] : header.items()) {
      if (value.is_string()) {
        put.headers.push_back(fmt::format("{}: {}", name, value.get<std::string>()));
      }
    }
    put.stall_timeout = std::max<std::chrono::milliseconds>(kStoreTimeout, environment_.stall_timeout);
    const std::uint64_t before = progress_.done_bytes;
    put.on_sent = [this, before](std::uint64_t sent) { progress_.done_bytes = before + sent; };
    send_file(put, file);
    progress_.done_bytes = before;  // send_large() counts it
    progress_.new_bytes += file.size;
    if (actions.contains("verify")) {
      verify(address_in(actions["verify"], file), file);
    }
  }

  /// Where an action leads: never from https to http.
  [[nodiscard]] std::string address_in(const Json& action, const LocalFile& file) const {
    std::string address = text_in(action, "href");
    const std::string refusal = refusal_of_redirect(environment_.endpoint, address);
    if (!refusal.empty()) {
      throw Error(ErrorCode::kIo, fmt::format("'{}' cannot be sent: {}", file.name, refusal));
    }
    return address;
  }

  void verify(std::string address, const LocalFile& file) {
    HttpRequest request = api_.request("POST", std::move(address));
    if (origin_of(request.url) != origin_of(environment_.endpoint)) {
      request.token.reset();  // it is for the hub alone
    }
    request.headers.emplace_back("Content-Type: application/vnd.git-lfs+json");
    request.body = Json{{"oid", file.sha256}, {"size", file.size}}.dump();
    const HttpAnswer answer = api_.ask(std::move(request));
    if (!answer.head.ok()) {
      throw Error(ErrorCode::kIo, fmt::format("{} did not get '{}' whole: it answers {}", environment_.endpoint,
                                              file.name, answer.head.status));
    }
  }

  void send_file(const HttpRequest& put, const LocalFile& file) {
    Retry retry(environment_.first_pause);
    while (true) {
      const HttpAnswer answer = client_.ask(put, [this] { return goes_on(); });
      if (answer.end.whole() && answer.head.ok()) {
        return;
      }
      const bool later = answer.end.whole() ? is_temporary_status(answer.head.status) : answer.end.temporary;
      const auto pause = later ? retry.after_failure(wanted_pause(answer.head)) : std::nullopt;
      const std::string why = answer.end.whole() ? fmt::format("answers {}", answer.head.status) : answer.end.problem;
      if (!pause) {
        throw Error(ErrorCode::kIo,
                    fmt::format("'{}' could not be sent to {}: {}", file.name, origin_of(put.url), why));
      }
      say(fmt::format("{}: {}; trying again", file.name, why));
      api_.wait(*pause);
    }
  }

  Upload commit(const std::vector<LocalFile>& files) {
    std::string lines =
        Json{{"key", "header"}, {"value", {{"summary", options_.message}, {"description", ""}}}}.dump() + "\n";
    for (const LocalFile& file : files) {
      Json value = {{"path", file.name}};
      if (file.large) {
        value.update({{"algo", "sha256"}, {"oid", file.sha256}, {"size", file.size}});
      } else {
        value.update({{"content", base64(read_file(file.path, file.size))}, {"encoding", "base64"}});
      }
      lines += Json{{"key", file.large ? "lfsFile" : "file"}, {"value", std::move(value)}}.dump() + "\n";
    }
    const std::string path = fmt::format("/api/models/{}/commit/{}", repository_, escape_url(options_.revision, false));
    const Json answer = answer_to(post(path, std::move(lines), "application/x-ndjson"), "the commit");
    return {.url = fmt::format("{}/{}", environment_.endpoint, repository_), .commit = text_in(answer, "commitOid")};
  }

  const HubEnvironment& environment_;
  std::string repository_;
  const UploadOptions& options_;
  HttpClient client_;
  HubApi api_;
  TransferProgress progress_;
};

}  // namespace

void check_upload(const std::string& repository, const std::string& revision) {
  if (!is_repository_name(repository) || repository.find('/') == std::string::npos) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("'{}' is no name for a repository, wanted 'org/name'", printable(repository, 200)));
  }
  if (!is_revision(revision)) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("'{}' is no name for a branch", printable(revision, 200)));
  }
  const HubEnvironment environment = read_hub_environment();
  if (environment.offline) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("'{}' cannot be uploaded to while HF_HUB_OFFLINE forbids connections", repository));
  }
  if (!environment.token) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("uploading to '{}' wants a token that may write: set HF_TOKEN, "
                                                      "https://huggingface.co/settings/tokens makes one",
                                                      repository));
  }
}

Upload upload_folder(const std::string& folder, const std::string& repository, const UploadOptions& options) {
  check_upload(repository, options.revision);
  const HubEnvironment environment = read_hub_environment();
  return Uploader(environment, repository, options).run(files_of(folder));
}

}  // namespace mlxe
