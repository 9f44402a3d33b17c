// `mlx_embeddings bench encode`: how fast a model turns texts into vectors on this machine.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "commands.h"
#include "exit_code.h"
#include "flag_text.h"
#include "interrupt.h"
#include "json_text.h"
#include "machine.h"
#include "mlxe/version.h"
#include "profile.h"
#include "progress_bar.h"
#include "standard_output.h"
#include "text_source.h"
#include "vector_file.h"

namespace mlxe::cli {
namespace {

struct EncodeFlags {
  TextInput input;
  std::string query = "How do I bake fresh bread at home?";
  int runs = 3;
  int query_runs = 200;
  std::size_t warmup_texts = 1000;
  std::optional<std::string> save;
  bool json = false;
  bool profile = false;
};

struct Measurement {
  std::size_t num_texts = 0;
  std::size_t num_tokens = 0;
  double load_s = 0;
  std::optional<double> cold_s;
  std::vector<double> run_s;
  std::vector<double> query_ms;  // sorted
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// The smallest value that `share` of the sorted values do not exceed.
double percentile(const std::vector<double>& sorted, double share) {
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::max<std::size_t>(rank, 1) - 1];
}

std::vector<std::string> read_all(TextSource& source) {
  std::vector<std::string> texts;
  while (std::optional<TextWindow> window = source.next()) {
    std::move(window->texts.begin(), window->texts.end(), std::back_inserter(texts));
  }
  return texts;
}

void embed_query(const Engine& engine, const Session& session, const EncodeFlags& flags) {
  const std::string_view query = flags.query;
  static_cast<void>(engine.embed(std::span(&query, 1), session.embed));
}

Embeddings embed(const Engine& engine, const Session& session, std::span<const std::string_view> texts,
                 ProgressBar& bar) {
  EmbedOptions options = session.embed;
  options.on_progress = [&bar](const Progress& progress) {
    bar.update(static_cast<double>(progress.done) / static_cast<double>(std::max<std::size_t>(progress.total, 1)),
               progress.done, progress.tokens);
    return interrupt_signal() == 0;
  };
  return engine.embed(texts, options);
}

/// The warm-up and all rounds; \returns the vectors of the last one.
Embeddings measure_rounds(const Engine& engine, const Session& session, const EncodeFlags& flags,
                          std::span<const std::string_view> texts, Profile& profile, Measurement& result) {
  ProgressBar bar(!session.quiet);
  embed(engine, session, texts.first(std::min(flags.warmup_texts, texts.size())), bar);
  profile.clear();
  Embeddings embeddings;
  for (int run = 0; run < flags.runs; ++run) {
    embeddings = Embeddings();  // freed before the clock starts: two rounds' vectors would count as our memory
    const auto start = std::chrono::steady_clock::now();
    embeddings = embed(engine, session, texts, bar);
    result.run_s.push_back(seconds_since(start));
    if (flags.json) {
      write_stdout(fmt::format("{{\"run\": {}, \"seconds\": {:.6f}}}\n", run + 1, result.run_s.back()));
      flush_stdout();
    }
  }
  result.num_texts = embeddings.count();
  for (const ItemReport& item : embeddings.items) {
    result.num_tokens += static_cast<std::size_t>(item.tokens);
  }
  return embeddings;
}

/// \returns milliseconds of each query, sorted
std::vector<double> measure_queries(const Engine& engine, const Session& session, const EncodeFlags& flags) {
  constexpr int kWarmUp = 10;
  std::vector<double> times_ms;
  for (int i = -kWarmUp; i < flags.query_runs; ++i) {
    const auto start = std::chrono::steady_clock::now();
    embed_query(engine, session, flags);
    if (i >= 0) {
      times_ms.push_back(seconds_since(start) * 1e3);
    }
    throw_if_interrupted();
  }
  std::sort(times_ms.begin(), times_ms.end());
  return times_ms;
}

std::string json_of(const std::optional<double>& value) {
  return value ? fmt::format("{:.3f}", *value) : "null";
}

std::string json_object(const Measurement& m, const EncodeFlags& flags, const Session& session, const ModelInfo& info) {
  std::string runs;
  for (const double seconds : m.run_s) {
    runs += fmt::format("{}{:.6f}", runs.empty() ? "" : ", ", seconds);
  }
  const double seconds = median(m.run_s);
  std::string out = fmt::format("{{\"bench\": \"encode\", \"model_type\": {}, \"texts\": {}, \"tokens\": {}",
                                json_string(info.model_type), m.num_texts, m.num_tokens);
  out += fmt::format(", \"texts_per_s\": {:.2f}, \"tokens_per_s\": {:.0f}, \"run_s\": [{}], \"runs\": {}",
                     static_cast<double>(m.num_texts) / seconds, static_cast<double>(m.num_tokens) / seconds, runs,
                     flags.runs);
  out += fmt::format(", \"p50_ms\": {:.3f}, \"p99_ms\": {:.3f}, \"query_runs\": {}", percentile(m.query_ms, 0.5),
                     percentile(m.query_ms, 0.99), flags.query_runs);
  out += fmt::format(", \"load_s\": {:.3f}, \"cold_s\": {}, \"rss_mb\": {:.1f}", m.load_s, json_of(m.cold_s),
                     peak_memory_mb());
  out += fmt::format(", \"precision\": {}, \"device\": {}, \"instruction_set\": {}, \"threads\": {}",
                     json_string(info.precision), json_string(info.device), json_string(info.instruction_set),
                     info.threads);
  out += fmt::format(", \"batch_tokens\": {}, \"max_length\": {}, \"cpu\": {}, \"cpus\": {}, \"version\": \"{}\"}}\n",
                     session.embed.batch_tokens, session.embed.max_length.value_or(info.max_length),
                     json_string(cpu_name()), num_cpus(), MLXE_VERSION);
  return out;
}

std::string table(const Measurement& m, const ModelInfo& info) {
  const auto [fastest, slowest] = std::minmax_element(m.run_s.begin(), m.run_s.end());
  const double seconds = median(m.run_s);
  std::string out;
  const auto row = [&out](std::string_view label, const std::string& value) {
    out += fmt::format("{:<20}{}\n", label, value);
  };
  row("processor", fmt::format("{}, {} {}, {} thread{}", cpu_name(), info.device, info.instruction_set, info.threads,
                               info.threads == 1 ? "" : "s"));
  row("precision", info.precision);
  row("texts", fmt::format("{} of {} tokens", m.num_texts, m.num_tokens));
  row("texts/s", fmt::format("{:.1f}", static_cast<double>(m.num_texts) / seconds));
  row("tokens/s", fmt::format("{:.0f}", static_cast<double>(m.num_tokens) / seconds));
  row("  runs", fmt::format("{}: median {:.3f} s, {:.3f} to {:.3f} s", m.run_s.size(), seconds, *fastest, *slowest));
  row("one query",
      fmt::format("p50 {:.2f} ms, p99 {:.2f} ms", percentile(m.query_ms, 0.5), percentile(m.query_ms, 0.99)));
  row("load", fmt::format("{:.3f} s", m.load_s));
  if (m.cold_s) {
    row("first vector", fmt::format("{:.2f} s after the program's start", *m.cold_s));
  }
  row("peak memory", fmt::format("{:.0f} MB", peak_memory_mb()));
  return out;
}

int run_encode(const Session& session, const EncodeFlags& flags) {
  require_model(session);
  TextSource source(flags.input);
  std::unique_ptr<VectorFile> file;
  if (flags.save) {
    file = std::make_unique<VectorFile>(*flags.save, VectorFormat::kNpy, session.model);
  }
  Measurement result;
  const auto start = std::chrono::steady_clock::now();
  Profile profile;
  Session measured = session;
  if (flags.profile) {
    measured.load.on_operation = [&profile](const OperationTime& one) { profile.add(one); };
  }
  const Engine engine = load_engine(measured);
  if (flags.profile && engine.info().device != "cpu") {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("--profile times single operations, which only the device 'cpu' runs one by one; the model "
                            "runs on '{}'",
                            engine.info().device));
  }
  result.load_s = seconds_since(start);
  embed_query(engine, session, flags);
  result.cold_s = seconds_since_process_start();
  // All texts are in memory before the first round, so that no disk is measured; and they are read only now, so that
  // a long file does not count as a slow start.
  const std::vector<std::string> texts = read_all(source);
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const Embeddings embeddings = measure_rounds(engine, session, flags, views, profile, result);
  const std::string operations = flags.profile ? "\n" + profile.table() : "";
  result.query_ms = measure_queries(engine, session, flags);
  if (file) {
    file->append(embeddings);
    file->finish();
  }
  write_stdout(flags.json ? json_object(result, flags, session, engine.info())
                          : table(result, engine.info()) + operations);
  flush_stdout();
  return kExitOk;
}

void add_encode_command(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("encode", "texts/s, tokens/s, delay of one query, start-up time, memory");
  auto flags = std::make_shared<EncodeFlags>();  // owned by the callbacks of this command alone
  add_texts_argument(*command, flags->input.arguments, "the texts (put -- before one that starts with a dash)");
  add_text_option(*command, "-i,--input", flags->input.file,
                  "a file of texts, one a line, or .jsonl; - is standard input")
      ->type_name("FILE");
  add_text_option(*command, "--field", flags->input.field, "the input is JSON lines with the text under NAME [text]")
      ->type_name("NAME");
  add_text_option(*command, "--query", flags->query, "the text whose delay is measured")->capture_default_str();
  constexpr int kMost = 1'000'000;
  command->add_option("--runs", flags->runs, "rounds over all texts; the median counts")
      ->check(CLI::Range(1, kMost))
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--query-runs", flags->query_runs, "how often the query is embedded")
      ->check(CLI::Range(1, kMost))
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--warmup", flags->warmup_texts, "texts embedded before the first round")
      ->check(CLI::Range(0, kMost))
      ->type_name("N")
      ->capture_default_str();
  add_text_option(*command, "--save", flags->save, "write the vectors of the last round to FILE.npy")
      ->type_name("FILE");
  command->add_flag("--json", flags->json, "JSON lines: one for each round, the last one holds everything");
  command->add_flag("--profile", flags->profile, "also a table of the time in each operation of the model, all rounds")
      ->excludes("--json");
  add_model_flags(*command, session);
  add_task_flag(*command, session);
  add_embed_flags(*command, session);
  command->footer(
      "Example:\n"
      "  mlx_embeddings bench encode -m ./all-MiniLM-L6-v2 -i lines.txt --precision fp32 --threads 2 --json\n"
      "docs/benchmarking.md says how to measure fairly.");
  command->callback([flags, &session] { session.action = [flags, &session] { return run_encode(session, *flags); }; });
}

}  // namespace

void add_bench_command(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("bench", "measure this machine");
  command->require_subcommand(1);
  add_encode_command(*command, session);
}

}  // namespace mlxe::cli
