// Engine: finds the model, makes its backend and hands the work to a TextEncoder.
#include "mlxe/engine.h"

#include <new>
#include <utility>

#include <fmt/format.h>

#include "engine/late_encoder.h"
#include "engine/loader.h"
#include "engine/make_backend.h"
#include "engine/text_encoder.h"
#include "hub/resolve.h"
#include "models/architecture.h"

namespace mlxe {
namespace {

// What the standard library throws when memory runs out becomes one of our errors.
template <typename Work>
auto with_memory_errors(const char* what, const Work& work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::kOutOfMemory, fmt::format("not enough memory to {}", what));
  } catch (const std::length_error&) {
    throw Error(ErrorCode::kOutOfMemory, fmt::format("not enough memory to {}", what));
  }
}

}  // namespace

struct Engine::Impl {
  TextEncoder encoder;
};

Engine Engine::load(const std::string& model, const LoadOptions& options) {
  return with_memory_errors("load the model", [&] {
    const std::filesystem::path folder = resolve_model(model);
    LoadedModel loaded = load_model(folder, options, make_backend(options));
    return Engine(std::make_unique<Impl>(Impl{TextEncoder(std::move(loaded))}));
  });
}

Embeddings Engine::embed(std::span<const std::string_view> texts, const EmbedOptions& options) const {
  return with_memory_errors("embed the texts", [&] { return impl_->encoder.embed(texts, options); });
}

std::vector<TokenEmbeddings> Engine::token_embeddings(std::span<const std::string_view> texts,
                                                      const EmbedOptions& options) const {
  return with_memory_errors("embed the tokens", [&] { return impl_->encoder.token_embeddings(texts, options); });
}

std::vector<MultiVector> Engine::multi_vector(std::span<const std::string_view> texts,
                                              const EmbedOptions& options) const {
  return with_memory_errors("embed the texts",
                            [&] { return LateEncoder(impl_->encoder.loaded()).encode(texts, options); });
}

const ModelInfo& Engine::info() const {
  return impl_->encoder.info();
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

std::vector<std::string> supported_model_types() {
  return architecture_names();
}

}  // namespace mlxe
