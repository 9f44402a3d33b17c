// Rules for names, written from what the hub allows and what no path may hold.
#include "hub/model_name.h"

#include <algorithm>

#include "hub/families.h"

namespace mlxe {
namespace {

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_plain(char c) {
  return is_alphanumeric(c) || c == '-' || c == '_' || c == '.';
}

/// True if `rule` holds for each part between slashes.
template <typename Rule>
bool all_parts(std::string_view text, const Rule& rule) {
  while (true) {
    const std::size_t slash = text.find('/');
    if (!rule(text.substr(0, slash))) {
      return false;
    }
    if (slash == std::string_view::npos) {
      return true;
    }
    text.remove_prefix(slash + 1);
  }
}

}  // namespace

ModelName parse_model_name(std::string_view name) {
  constexpr std::string_view kScheme = "hf://";
  constexpr std::string_view kKind = "models/";
  if (name.starts_with(kScheme)) {
    name.remove_prefix(kScheme.size());
    // hf://models/org/name: a bare org/name may be an organisation called "models".
    if (name.starts_with(kKind) && std::ranges::count(name.substr(0, name.find('@')), '/') == 2) {
      name.remove_prefix(kKind.size());
    }
  }
  ModelName parsed;
  if (const std::size_t at = name.find('@'); at != std::string_view::npos) {
    parsed.revision = std::string(name.substr(at + 1));
    name = name.substr(0, at);
  }
  if (const std::size_t colon = name.find(':'); colon != std::string_view::npos) {
    parsed.gguf = std::string(name.substr(colon + 1));
    name = name.substr(0, colon);
  }
  parsed.repository = std::string(name);
  return parsed;
}

bool is_repository_name(std::string_view name) {
  constexpr std::size_t kMaxName = 200;
  return name.size() <= kMaxName && std::ranges::count(name, '/') <= 1 && name.find("--") == std::string_view::npos &&
         all_parts(name, [](std::string_view part) {
           return !part.empty() && part.front() != '.' && part.find("..") == std::string_view::npos &&
                  std::ranges::all_of(part, is_plain);
         });
}

bool is_revision(std::string_view revision) {
  constexpr std::size_t kMaxRevision = 200;
  return revision.size() <= kMaxRevision && all_parts(revision, [](std::string_view part) {
           return !part.empty() && part.front() != '.' && part.front() != '-' &&
                  part.find("..") == std::string_view::npos &&
                  std::ranges::all_of(part, [](char c) { return is_plain(c) || c == '+' || c == '='; });
         });
}

bool is_commit(std::string_view revision) {
  constexpr std::size_t kDigits = 40;
  return revision.size() == kDigits && std::ranges::all_of(revision, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
         });
}

bool is_safe_file_name(std::string_view name) {
  constexpr std::size_t kMaxPath = 1024;
  constexpr std::size_t kMaxPart = 255;
  return name.size() <= kMaxPath && all_parts(name, [](std::string_view part) {
           return !part.empty() && part.size() <= kMaxPart && part != "." && part != ".." &&
                  std::ranges::none_of(part,
                                       [](char c) {
                                         // A colon is a drive or a stream there, and what ends in a blank or a dot is
                                         // another name.
                                         return static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\' ||
                                                c == ':';
                                       }) &&
                  part.back() != ' ' && part.back() != '.';
         });
}

std::vector<std::string> candidate_repositories(const std::string& name) {
  if (const auto repository = repository_of_alias(name)) {
    return {*repository};
  }
  if (name.find('/') != std::string::npos) {
    return {name};
  }
  return {name, "sentence-transformers/" + name};
}

}  // namespace mlxe
