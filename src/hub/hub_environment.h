// What the environment says about the hub: the variables of Hugging Face's own tools, with their order of precedence.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

namespace mlxe {

struct HubEnvironment {
  std::optional<std::filesystem::path> cache;  ///< HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, HOME
  std::string endpoint;                        ///< HF_ENDPOINT, without a slash at its end
  std::optional<std::string> token;            ///< HF_TOKEN, else the file HF_TOKEN_PATH or $HF_HOME/token
  bool offline = false;                        ///< HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE
  bool symlinks = true;                        ///< HF_HUB_DISABLE_SYMLINKS
  std::chrono::milliseconds answer_timeout{};  ///< HF_HUB_ETAG_TIMEOUT: to connect, and for an answer to a question
  std::chrono::milliseconds stall_timeout{};   ///< HF_HUB_DOWNLOAD_TIMEOUT: without a byte
  std::chrono::milliseconds first_pause{};     ///< MLXE_HUB_RETRY_MS: before the first retry; each later one doubles
};

/// \throws Error{kInvalidInput} for an endpoint that is no http or https address, or a token that is no plain word
[[nodiscard]] HubEnvironment read_hub_environment();

/// The cache alone; never throws.
[[nodiscard]] std::optional<std::filesystem::path> hub_cache_folder();

}  // namespace mlxe
