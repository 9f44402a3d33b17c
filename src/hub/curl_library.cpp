// Linking libcurl would load some 25 libraries at every start of the program; dlopen pays that only for a download.
#include "hub/curl_library.h"

#include <string>

#include <dlfcn.h>
#include <fmt/format.h>

#include "mlxe/error.h"

namespace mlxe {
namespace {

void* open_library() {
  // One ABI since 2006. The flavours differ in who does TLS.
#if defined(__APPLE__)
  constexpr const char* kNames[] = {"libcurl.4.dylib", "/usr/lib/libcurl.4.dylib"};
#else
  constexpr const char* kNames[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
#endif
  std::string reason;
  for (const char* name : kNames) {
    if (void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL)) {
      return library;  // never closed: it keeps threads and handlers of its own
    }
    const char* error = dlerror();
    reason += fmt::format("{}{}", reason.empty() ? "" : "; ", error != nullptr ? error : name);
  }
  throw Error(ErrorCode::kUnsupported,
              fmt::format("downloading needs libcurl, which cannot be loaded ({}); install it (Debian: libcurl4), or "
                          "name a folder or a model that the cache holds",
                          reason));
}

template <typename Function>
void find(void* library, const char* name, Function& function) {
  void* address = dlsym(library, name);
  if (address == nullptr) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("libcurl has no function '{}', wanted version 7.66 or newer", name));
  }
  function = reinterpret_cast<Function>(address);
}

CurlLibrary load() {
  void* const library = open_library();
  CurlLibrary curl{};
  find(library, "curl_global_init", curl.global_init);
  find(library, "curl_easy_init", curl.easy_init);
  find(library, "curl_easy_cleanup", curl.easy_cleanup);
  find(library, "curl_easy_setopt", curl.easy_setopt);
  find(library, "curl_easy_getinfo", curl.easy_getinfo);
  find(library, "curl_easy_strerror", curl.easy_strerror);
  find(library, "curl_easy_reset", curl.easy_reset);
  find(library, "curl_slist_append", curl.slist_append);
  find(library, "curl_slist_free_all", curl.slist_free_all);
  find(library, "curl_multi_init", curl.multi_init);
  find(library, "curl_multi_cleanup", curl.multi_cleanup);
  find(library, "curl_multi_setopt", curl.multi_setopt);
  find(library, "curl_multi_add_handle", curl.multi_add_handle);
  find(library, "curl_multi_remove_handle", curl.multi_remove_handle);
  find(library, "curl_multi_perform", curl.multi_perform);
  find(library, "curl_multi_poll", curl.multi_poll);
  find(library, "curl_multi_info_read", curl.multi_info_read);
  curl.global_init(CURL_GLOBAL_DEFAULT);
  return curl;
}

}  // namespace

const CurlLibrary& curl_library() {
  static const CurlLibrary library = load();
  return library;
}

}  // namespace mlxe
