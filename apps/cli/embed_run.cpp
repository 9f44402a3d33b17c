// `embed`, `similarity` and the flat form: vectors of all windows.
#include "embed_run.h"

#include <utility>

namespace mlxe::cli {
namespace {

EmbedOptions options_of(const Session& session, const RunWindow& window) {
  EmbedOptions options = session.embed;
  options.on_overflow = window.options.on_overflow;
  options.on_progress = window.options.on_progress;
  return options;
}

}  // namespace

RunReport embed_all(const Engine& engine, const Session& session, TextSource& source, TextWindow first,
                    const std::function<void(const TextWindow&, const Embeddings&)>& sink) {
  return run_windows(engine, session, source, std::move(first), [&](const RunWindow& window) -> WindowResult {
    Embeddings embeddings = engine.embed(window.texts, options_of(session, window));
    std::vector<ItemReport> items = embeddings.items;
    return {.items = std::move(items),
            .deliver = [&, embeddings = std::move(embeddings)] { sink(window.source, embeddings); }};
  });
}

RunReport embed_all_tokens(const Engine& engine, const Session& session, TextSource& source, TextWindow first,
                           const std::function<void(std::span<const MultiVector>)>& sink) {
  return run_windows(engine, session, source, std::move(first), [&](const RunWindow& window) -> WindowResult {
    std::vector<MultiVector> results = engine.multi_vector(window.texts, options_of(session, window));
    std::vector<ItemReport> items = reports_of(results);
    return {.items = std::move(items), .deliver = [&, results = std::move(results)] { sink(results); }};
  });
}

void append(Embeddings& all, const Embeddings& more) {
  all.dim = more.dim;
  all.values.insert(all.values.end(), more.values.begin(), more.values.end());
  all.items.insert(all.items.end(), more.items.begin(), more.items.end());
}

Collected embed_into_memory(const Engine& engine, const Session& session, TextSource& source, TextWindow first) {
  Collected collected;
  embed_all(engine, session, source, std::move(first), [&](const TextWindow& window, const Embeddings& embeddings) {
    collected.texts.insert(collected.texts.end(), window.texts.begin(), window.texts.end());
    append(collected.embeddings, embeddings);
  });
  return collected;
}

}  // namespace mlxe::cli
