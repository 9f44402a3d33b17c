// HTTP for the hub: several exchanges at once on one thread, redirects that never carry the token to another host.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mlxe {

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::string> headers = {};  ///< "Name: value"
  std::optional<std::string> token = {};  ///< sent as a bearer token, and to no other origin than that of `url`
  std::string body = {};                  ///< of a POST
  std::string body_file = {};             ///< of a PUT: a file's bytes
  std::uint64_t body_begin = 0;           ///< of body_file
  std::optional<std::uint64_t> body_size = {};
  std::function<void(std::uint64_t)> on_sent = {};  ///< bytes of body_file so far
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds stall_timeout{10'000};  ///< without a byte
  std::chrono::milliseconds total_timeout{0};       ///< 0: none
};

/// Status and headers of an answer.
struct HttpHead {
  int status = 0;
  std::map<std::string, std::string> headers = {};  ///< names in lower case
  std::string url = {};                             ///< that gave the answer
  [[nodiscard]] std::optional<std::string> header(const std::string& lower_case_name) const;
  [[nodiscard]] bool ok() const { return status >= 200 && status < 300; }
};

/// How an exchange ended below HTTP.
struct HttpEnd {
  std::string problem = {};  ///< empty: the answer came whole
  bool temporary = false;    ///< the problem may be gone at the next try
  bool timed_out = false;    ///< nothing came for as long as the request allows
  bool unreachable = false;  ///< no connection came about: no network, a wrong name, nobody listening
  [[nodiscard]] bool whole() const { return problem.empty(); }
};

/// Takes an exchange's answer. All calls come from HttpClient::wait(); what they throw comes out of it.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  virtual void on_redirect(const HttpHead& /*head*/) {}
  virtual bool on_head(const HttpHead& head) = 0;                  ///< false: the body is not wanted
  virtual bool on_data(const char* bytes, std::size_t count) = 0;  ///< false: no more is wanted
  virtual void on_end(const HttpEnd& end) = 0;                     ///< the last call; not after cancel()
};

/// An answer with its body, for questions.
struct HttpAnswer {
  HttpHead head;
  HttpHead first;  ///< the first answer of all, if there were redirects; else head
  std::string body;
  HttpEnd end;
};

class HttpClient {
 public:
  HttpClient();  ///< throws Error{kUnsupported} if there is no libcurl
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// The handler must live until its on_end() or cancel().
  void start(HttpRequest request, HttpHandler& handler);
  void cancel(HttpHandler& handler);
  /// Moves bytes for up to `most`, less if something happened.
  void wait(std::chrono::milliseconds most);

  /// One whole exchange. \param keep_going  asked ten times a second; false throws Error{kCancelled}
  [[nodiscard]] HttpAnswer ask(HttpRequest request, const std::function<bool()>& keep_going = {});

 private:
  struct Exchange;
  struct Multi;
  void begin(Exchange& exchange);
  void finish(Exchange& exchange, int code);
  std::unique_ptr<Multi> multi_;
  std::vector<std::unique_ptr<Exchange>> exchanges_;
};

}  // namespace mlxe
