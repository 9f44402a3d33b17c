// Embedding everything that a TextSource gives.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "mlxe/engine.h"
#include "session.h"
#include "text_source.h"
#include "window_run.h"

namespace mlxe::cli {

/// Embeds window after window and hands each result to `sink`; the first window was read by the caller, so that
/// mistakes in it show before the model is loaded. Says on stderr how many texts were truncated.
/// \throws Error{kTooLong} naming the text if session.embed.on_overflow is kError, Error{kCancelled} on Ctrl-C,
///         and whatever Engine::embed and TextSource::next throw
RunReport embed_all(const Engine& engine, const Session& session, TextSource& source, TextWindow first,
                    const std::function<void(const TextWindow&, const Embeddings&)>& sink);

/// embed_all() for a model that gives one vector for each token.
RunReport embed_all_tokens(const Engine& engine, const Session& session, TextSource& source, TextWindow first,
                           const std::function<void(std::span<const MultiVector>)>& sink);

/// All texts and vectors of a run in memory, for work that needs them together.
struct Collected {
  std::vector<std::string> texts;
  Embeddings embeddings;
};

/// embed_all() into memory.
[[nodiscard]] Collected embed_into_memory(const Engine& engine, const Session& session, TextSource& source,
                                          TextWindow first);

/// Appends the rows and reports of `more`.
void append(Embeddings& all, const Embeddings& more);

}  // namespace mlxe::cli
