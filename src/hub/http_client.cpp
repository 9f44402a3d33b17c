// libcurl's multi interface. Redirects are followed here: curl would keep headers that another host must not see.
#include "hub/http_client.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"
#include "hub/curl_library.h"
#include "hub/web_address.h"
#include "mlxe/error.h"
#include "mlxe/version.h"

namespace mlxe {
namespace {

constexpr int kMaxRedirects = 10;
constexpr std::size_t kMaxAnswer = 64'000'000;  // of ask(): a listing of a large repository has a few hundred kilobytes
constexpr std::size_t kMaxHeaders = 1'000'000;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlank);
  return begin == std::string_view::npos ? std::string_view()
                                         : text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// The variables that the tools around Python and curl read; libcurl itself reads none.
constexpr std::array kCertificateVariables = {"CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"};

/// The variable that names the file of certificates to trust, if one does.
const char* certificate_variable() {
  const auto* const found = std::ranges::find_if(kCertificateVariables, [](const char* name) {
    const char* const value = std::getenv(name);
    return value != nullptr && *value != '\0';
  });
  return found == kCertificateVariables.end() ? nullptr : *found;
}

std::string trusted_certificates() {
  const char* const name = certificate_variable();
  return name != nullptr ? fmt::format("those of the file {}, which {} names", printable(std::getenv(name), 300), name)
                         : "the system's; SSL_CERT_FILE can name a file with those of this hub or of a proxy";
}

}  // namespace

std::optional<std::string> HttpHead::header(const std::string& lower_case_name) const {
  const auto found = headers.find(lower_case_name);
  return found == headers.end() ? std::nullopt : std::optional(found->second);
}

struct HttpClient::Multi {
  const CurlLibrary& curl = curl_library();
  CURLM* handle = curl.multi_init();
  Multi() = default;
  ~Multi() { curl.multi_cleanup(handle); }
  Multi(const Multi&) = delete;
  Multi& operator=(const Multi&) = delete;
};

struct HttpClient::Exchange {
  Exchange(Multi& owner, HttpRequest asked, HttpHandler& taker)
      : multi(owner), request(std::move(asked)), handler(&taker), url(request.url) {}
  ~Exchange() {
    close();
    if (file != nullptr) {
      std::fclose(file);
    }
  }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  void close() {
    if (easy != nullptr) {
      multi.curl.multi_remove_handle(multi.handle, easy);
      multi.curl.easy_cleanup(std::exchange(easy, nullptr));
    }
    if (list != nullptr) {
      multi.curl.slist_free_all(std::exchange(list, nullptr));
    }
  }

  /// Runs a handler's function inside one of curl's callbacks, which no exception may cross.
  template <typename Call>
  bool guarded(const Call& call) {
    try {
      return call();
    } catch (...) {
      thrown = std::current_exception();
      return false;
    }
  }

  bool take_header_line(std::string_view line) {
    if (line.starts_with("HTTP/")) {
      head = HttpHead{.url = url};
      header_bytes = 0;
      const std::size_t blank = line.find(' ');
      head.status = blank == std::string_view::npos ? 0 : std::atoi(std::string(line.substr(blank + 1, 3)).c_str());
      return true;
    }
    header_bytes += line.size();
    if (header_bytes > kMaxHeaders) {
      return false;
    }
    const std::string_view text = trimmed(line);
    if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
      head.headers[ascii_lower(text.substr(0, colon))] = trimmed(text.substr(colon + 1));
    }
    if (!text.empty() || head.status < 200) {
      return true;
    }
    if (is_redirect(head.status) && head.headers.contains("location")) {
      redirected = true;
      return guarded([&] {
        handler->on_redirect(head);
        return true;
      });
    }
    return guarded([&] {
      wanted = handler->on_head(head);
      return wanted;
    });
  }

  static std::size_t header_callback(char* bytes, std::size_t size, std::size_t count, void* self) {
    return static_cast<Exchange*>(self)->take_header_line({bytes, size * count}) ? size * count : 0;
  }

  static std::size_t data_callback(char* bytes, std::size_t size, std::size_t count, void* self) {
    auto& exchange = *static_cast<Exchange*>(self);
    if (exchange.redirected) {
      return size * count;
    }
    exchange.wanted = exchange.guarded([&] { return exchange.handler->on_data(bytes, size * count); });
    return exchange.wanted ? size * count : CURL_WRITEFUNC_ERROR_COMPATIBLE;
  }
  static constexpr std::size_t CURL_WRITEFUNC_ERROR_COMPATIBLE = 0;  // fewer bytes than given end the transfer

  static std::size_t read_callback(char* bytes, std::size_t size, std::size_t count, void* self) {
    auto& exchange = *static_cast<Exchange*>(self);
    const std::size_t room = static_cast<std::size_t>(std::min<std::uint64_t>(size * count, exchange.unsent));
    const std::size_t given = std::fread(bytes, 1, room, exchange.file);
    exchange.unsent -= given;
    if (exchange.request.on_sent) {
      exchange.guarded([&] {
        exchange.request.on_sent(exchange.request.body_size.value_or(0) - exchange.unsent);
        return true;
      });
    }
    return given;
  }

  Multi& multi;
  HttpRequest request;
  HttpHandler* handler;
  std::string url;  ///< of this hop
  int num_redirects = 0;
  CURL* easy = nullptr;
  curl_slist* list = nullptr;
  std::FILE* file = nullptr;
  std::uint64_t unsent = 0;
  HttpHead head;
  std::size_t header_bytes = 0;
  bool redirected = false;
  bool wanted = true;
  std::exception_ptr thrown;
  char problem[CURL_ERROR_SIZE] = {};
};

HttpClient::HttpClient() : multi_(std::make_unique<Multi>()) {}

HttpClient::~HttpClient() {
  exchanges_.clear();
}

void HttpClient::begin(Exchange& exchange) {
  const CurlLibrary& curl = multi_->curl;
  const HttpRequest& request = exchange.request;
  if (origin_of(exchange.url).empty()) {
    throw Error(ErrorCode::kIo, fmt::format("'{}' is no http or https address", printable(exchange.url, 200)));
  }
  exchange.close();
  exchange.redirected = false;
  exchange.head = {};
  exchange.problem[0] = '\0';
  exchange.easy = curl.easy_init();
  if (exchange.easy == nullptr) {
    throw std::bad_alloc();
  }
  CURL* const easy = exchange.easy;
  const auto set = [&](CURLoption option, auto value) { curl.easy_setopt(easy, option, value); };
  const auto add_header = [&](const std::string& line) {
    exchange.list = curl.slist_append(exchange.list, line.c_str());
  };
  for (const std::string& line : request.headers) {
    add_header(line);
  }
  if (request.token && origin_of(exchange.url) == origin_of(request.url)) {
    add_header("Authorization: Bearer " + *request.token);
  }
  add_header("Expect:");  // no pause before a body
  set(CURLOPT_URL, exchange.url.c_str());
  set(CURLOPT_HTTPHEADER, exchange.list);
  set(CURLOPT_USERAGENT, "mlx-embeddings/" MLXE_VERSION);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_NETRC, 0L);
  // One connection for each transfer: of several streams on one connection all are as slow as that one.
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, static_cast<long>((request.stall_timeout.count() + 999) / 1000));
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.total_timeout.count()));
  set(CURLOPT_BUFFERSIZE, 512L * 1024L);
  set(CURLOPT_ERRORBUFFER, exchange.problem);
  set(CURLOPT_HEADERFUNCTION, &Exchange::header_callback);
  set(CURLOPT_HEADERDATA, &exchange);
  set(CURLOPT_WRITEFUNCTION, &Exchange::data_callback);
  set(CURLOPT_WRITEDATA, &exchange);
  set(CURLOPT_PRIVATE, &exchange);
  if (const char* name = certificate_variable()) {
    set(CURLOPT_CAINFO, std::getenv(name));
  }
  if (request.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  } else if (request.method == "POST") {
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDS, request.body.c_str());
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  } else if (request.method == "PUT") {
    if (exchange.file == nullptr) {
      exchange.file = std::fopen(request.body_file.c_str(), "rbe");
    }
    if (exchange.file == nullptr || ::fseeko(exchange.file, static_cast<off_t>(request.body_begin), SEEK_SET) != 0) {
      throw Error(ErrorCode::kIo, fmt::format("cannot read {}", request.body_file));
    }
    exchange.unsent = request.body_size.value_or(0);
    set(CURLOPT_UPLOAD, 1L);
    set(CURLOPT_READFUNCTION, &Exchange::read_callback);
    set(CURLOPT_READDATA, &exchange);
    set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(exchange.unsent));
  }
  curl.multi_add_handle(multi_->handle, easy);
}

void HttpClient::start(HttpRequest request, HttpHandler& handler) {
  auto exchange = std::make_unique<Exchange>(*multi_, std::move(request), handler);
  begin(*exchange);
  exchanges_.push_back(std::move(exchange));
}

void HttpClient::cancel(HttpHandler& handler) {
  std::erase_if(exchanges_, [&](const auto& exchange) { return exchange->handler == &handler; });
}

void HttpClient::finish(Exchange& exchange, int code) {
  const CurlLibrary& curl = multi_->curl;
  HttpEnd end;
  if (exchange.redirected && code == CURLE_OK) {
    char* location = nullptr;
    curl.easy_getinfo(exchange.easy, CURLINFO_REDIRECT_URL, &location);
    const std::string next = location == nullptr ? "" : location;
    const std::string refusal = ++exchange.num_redirects > kMaxRedirects
                                    ? fmt::format("more than {} redirects", kMaxRedirects)
                                    : refusal_of_redirect(exchange.url, next);
    if (refusal.empty()) {
      exchange.url = next;
      begin(exchange);
      return;
    }
    end.problem = refusal;
  } else if (code != CURLE_OK && exchange.wanted) {
    end.problem = exchange.problem[0] != '\0' ? exchange.problem : curl.easy_strerror(static_cast<CURLcode>(code));
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) {
      end.problem += fmt::format("; nothing was sent. The certificates to trust are {}", trusted_certificates());
    }
    end.timed_out = code == CURLE_OPERATION_TIMEDOUT;
    end.unreachable = code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY ||
                      code == CURLE_COULDNT_CONNECT || (end.timed_out && exchange.head.status == 0);
    end.temporary = end.unreachable || end.timed_out || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
                    code == CURLE_PARTIAL_FILE || code == CURLE_GOT_NOTHING || code == CURLE_SSL_CONNECT_ERROR ||
                    code == CURLE_HTTP2;
  }
  const std::exception_ptr thrown = exchange.thrown;
  HttpHandler* const handler = exchange.handler;
  cancel(*handler);  // the exchange is gone from here on: the handler may start another
  if (thrown) {
    std::rethrow_exception(thrown);
  }
  handler->on_end(end);
}

void HttpClient::wait(std::chrono::milliseconds most) {
  const CurlLibrary& curl = multi_->curl;
  int running = 0;
  curl.multi_perform(multi_->handle, &running);
  bool happened = false;
  int queued = 0;
  while (CURLMsg* message = curl.multi_info_read(multi_->handle, &queued)) {
    if (message->msg != CURLMSG_DONE) {
      continue;
    }
    const int code = message->data.result;
    char* exchange = nullptr;
    curl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &exchange);
    finish(*reinterpret_cast<Exchange*>(exchange), code);
    happened = true;
  }
  if (!happened) {
    curl.multi_poll(multi_->handle, nullptr, 0, static_cast<int>(most.count()), nullptr);
  }
}

HttpAnswer HttpClient::ask(HttpRequest request, const std::function<bool()>& keep_going) {
  struct Collector final : HttpHandler {
    HttpAnswer answer;
    bool was_redirected = false;
    bool done = false;
    void on_redirect(const HttpHead& head) override {
      if (!was_redirected) {
        answer.first = head;
      }
      was_redirected = true;
    }
    bool on_head(const HttpHead& head) override {
      answer.head = head;
      if (!was_redirected) {
        answer.first = head;
      }
      return true;
    }
    bool on_data(const char* bytes, std::size_t count) override {
      if (answer.body.size() + count > kMaxAnswer) {
        throw Error(ErrorCode::kIo, fmt::format("the answer of {} has more than {} bytes",
                                                printable(answer.head.url, 200), kMaxAnswer));
      }
      answer.body.append(bytes, count);
      return true;
    }
    void on_end(const HttpEnd& end) override {
      answer.end = end;
      done = true;
    }
  };
  Collector collector;
  start(std::move(request), collector);
  try {
    constexpr std::chrono::milliseconds kLook{100};
    while (!collector.done) {
      if (keep_going && !keep_going()) {
        throw Error(ErrorCode::kCancelled, "the talk with the hub was stopped");
      }
      wait(kLook);
    }
  } catch (...) {
    cancel(collector);
    throw;
  }
  return std::move(collector.answer);
}

}  // namespace mlxe
