// The names that models have on the hub: how they are written, and which are safe to make paths and addresses of.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mlxe {

/// "org/name", "org/name:Q4_K_M", "org/name@revision" or "hf://org/name", taken apart.
struct ModelName {
  std::string repository;                    ///< as given, which may be an alias
  std::optional<std::string> gguf = {};      ///< what stood behind ":": one of the GGUF files
  std::optional<std::string> revision = {};  ///< what stood behind "@"
};

[[nodiscard]] ModelName parse_model_name(std::string_view name);

/// One or two plain words with a slash between them: only such names become folders of the cache.
[[nodiscard]] bool is_repository_name(std::string_view name);

/// A branch, tag or commit that can be a path below refs/: no "..", no empty or hidden part, no backslash.
[[nodiscard]] bool is_revision(std::string_view revision);

/// 40 hexadecimal digits.
[[nodiscard]] bool is_commit(std::string_view revision);

/// A repository's file name that stays below any folder it is put into, by the rules of every system: no "..",
/// absolute, drive or UNC form, no backslash, no control character, no empty part.
[[nodiscard]] bool is_safe_file_name(std::string_view name);

/// The repositories that a name may stand for, the likeliest first: an alias's, else the name itself; a bare name is
/// tried under sentence-transformers/ too.
[[nodiscard]] std::vector<std::string> candidate_repositories(const std::string& name);

}  // namespace mlxe
