// The prompt of jina-reranker-v3, its blocks, and the cosines between the projected tokens.
#include "engine/listwise_scorer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"
#include "engine/batch_runner.h"
#include "engine/call_checks.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

constexpr int kMaxDocumentTokens = 2048;
constexpr int kMaxQueryTokens = 512;
constexpr std::size_t kBlockDocuments = 125;

constexpr std::string_view kPrefix =
    "<|im_start|>system\nYou are a search relevance expert who can determine a ranking of the passages based on how "
    "relevant they are to the query. If the query is a question, how relevant a passage is depends on how well it "
    "answers the question. If not, try to analyze the intent of the query and assess how well each passage satisfies "
    "the intent. If an instruction is provided, you should follow the instruction when determining the ranking."
    "<|im_end|>\n<|im_start|>user\n";
constexpr std::string_view kSuffix = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n";

/// A text as the prompt gets it.
struct Passage {
  std::string text;
  ItemReport report;
};

// Whatever removing one of the tokens puts together is removed as well: a text must not speak for another one.
void remove_marks(std::string& text) {
  for (bool found = true; found;) {
    found = false;
    for (const std::string_view mark : {kListwiseQueryToken, kListwiseDocumentToken}) {
      for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark)) {
        text.erase(at, mark.size());
        found = true;
      }
    }
  }
}

/// The texts down to so many tokens. A character is kept if its last token is.
std::vector<Passage> cut(const Tokenizer& tokenizer, std::span<const std::string_view> texts, int max_tokens,
                         int threads) {
  EncodeOptions options;
  options.max_length = max_tokens;
  options.add_special_tokens = false;
  options.with_offsets = true;
  options.threads = threads;
  const std::vector<Encoding> encodings = tokenizer.encode(texts, options);
  std::vector<Passage> passages;
  passages.reserve(texts.size());
  for (std::size_t index = 0; index < texts.size(); ++index) {
    const Encoding& encoding = encodings[index];
    Passage passage{
        .text = std::string(texts[index]),
        .report = {.tokens = static_cast<int>(encoding.ids.size()), .tokens_in_text = encoding.length_in_text}};
    if (passage.report.truncated()) {
      auto end = static_cast<std::size_t>(encoding.offsets.back().second);
      while (!is_valid_utf8(std::string_view(passage.text).substr(0, end))) {
        --end;
      }
      passage.text.resize(end);
    }
    remove_marks(passage.text);
    passages.push_back(std::move(passage));
  }
  return passages;
}

/// Documents [first, end) of a list.
struct Block {
  std::size_t first = 0;
  std::size_t end = 0;
};

std::vector<Block> blocks_of(std::span<const Passage> documents, int room) {
  std::vector<Block> blocks;
  int left = room;
  Block block;
  for (const Passage& document : documents) {
    ++block.end;
    left -= document.report.tokens;
    if (block.end - block.first >= kBlockDocuments || left <= kMaxDocumentTokens) {
      blocks.push_back(block);
      block.first = block.end;
      left = room;
    }
  }
  if (block.end > block.first) {
    blocks.push_back(block);
  }
  return blocks;
}

std::string prompt_of(const std::string& query, const std::string& instruction, std::span<const Passage> documents) {
  std::string prompt = fmt::format(
      "{}I will provide you with {} passages, each indicated by a numerical identifier. Rank the passages based on "
      "their relevance to query: {}\n",
      kPrefix, documents.size(), query);
  if (!instruction.empty()) {
    prompt += fmt::format("<instruct>\n{}\n</instruct>\n", instruction);
  }
  for (std::size_t index = 0; index < documents.size(); ++index) {
    prompt +=
        fmt::format("<passage id=\"{}\">\n{}{}\n</passage>\n", index, documents[index].text, kListwiseDocumentToken);
  }
  return prompt + fmt::format("<query>\n{}{}\n</query>{}", query, kListwiseQueryToken, kSuffix);
}

InputSource prompt_inputs(const LoadedModel& loaded, std::span<const std::string> prompts, int limit) {
  InputSource inputs;
  inputs.noun = "block";
  inputs.count = prompts.size();
  inputs.size_bytes = [prompts](std::size_t index) { return prompts[index].size(); };
  inputs.encode = [&loaded, prompts, limit](std::size_t first, std::size_t count) {
    const std::vector<std::string_view> views(prompts.begin() + static_cast<std::ptrdiff_t>(first),
                                              prompts.begin() + static_cast<std::ptrdiff_t>(first + count));
    std::vector<Encoding> encodings = loaded.tokenizer.encode(views, {.threads = loaded.info.threads});
    for (const Encoding& encoding : encodings) {
      if (encoding.length_in_text > limit) {
        throw Error(ErrorCode::kTooLong,
                    fmt::format("the documents that the model reads together have {} tokens with the query and the "
                                "prompt, the limit is {}; a smaller max_length cuts each of them",
                                encoding.length_in_text, limit));
      }
    }
    return encodings;
  };
  return inputs;
}

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += static_cast<double>(a[i]) * b[i];
  }
  return sum;
}

float cosine(std::span<const float> a, std::span<const float> b) {
  const double length = std::sqrt(dot(a, a)) * std::sqrt(dot(b, b));
  return length > 0.0 ? static_cast<float>(dot(a, b) / length) : 0.0F;
}

/// The vectors of a block: those of its documents, and the query's, which comes last.
struct BlockVectors {
  std::vector<float> values;
  std::size_t width = 0;
  [[nodiscard]] std::span<const float> row(std::size_t index) const {
    return std::span(values).subspan(index * width, width);
  }
};

std::vector<BlockVectors> run_blocks(const LoadedModel& loaded, const InputSource& inputs, const RunPlan& plan,
                                     std::span<const Block> blocks) {
  std::vector<BlockVectors> vectors(inputs.count);
  run_batches(loaded, inputs, plan, [&](Ops& ops, MicroBatch& batch) {
    const Tensor rows = forward_logits(*loaded.model, ops, batch.packed);
    const auto width = static_cast<std::size_t>(rows.columns());
    std::vector<float> values(static_cast<std::size_t>(rows.rows()) * width);
    ops.read(rows, values);
    auto begin = values.begin();
    for (std::size_t row = 0; row < batch.num_rows(); ++row) {
      const std::size_t index = batch.input_index(row);
      const auto count = static_cast<std::ptrdiff_t>((blocks[index].end - blocks[index].first + 1) * width);
      if (values.end() - begin < count) {
        throw Error(ErrorCode::kInternal, "a prompt has fewer marks than documents");
      }
      vectors[index] = {.values = {begin, begin + count}, .width = width};
      check_finite(vectors[index].values, index, inputs.noun);
      begin += count;
    }
  });
  return vectors;
}

// Blocks with a good answer count more, as the query's vector has seen the documents.
std::vector<float> average_query(std::span<const BlockVectors> blocks) {
  std::vector<double> sum(blocks.front().width);
  double total = 0.0;
  constexpr double kLeastWeight = 1e-12;  // something is left where every document is the query's opposite
  for (const BlockVectors& block : blocks) {
    const std::size_t documents = block.values.size() / block.width - 1;
    double weight = kLeastWeight;
    for (std::size_t document = 0; document < documents; ++document) {
      weight = std::max(weight, (1.0 + cosine(block.row(document), block.row(documents))) / 2.0);
    }
    total += weight;
    for (std::size_t i = 0; i < sum.size(); ++i) {
      sum[i] += weight * block.row(documents)[i];
    }
  }
  std::vector<float> average(sum.size());
  std::ranges::transform(sum, average.begin(), [&](double value) { return static_cast<float>(value / total); });
  return average;
}

}  // namespace

PairScores score_list(const LoadedModel& loaded, std::string_view query, std::span<const std::string_view> documents,
                      const RerankOptions& options) {
  const std::string instruction = options.instruction.value_or("");
  if (!is_valid_utf8(instruction)) {
    throw Error(ErrorCode::kInvalidInput, "the instruction is not valid UTF-8");
  }
  RunOptions run = options;
  run.max_length.reset();  // that is the documents', not the prompt's
  run.on_overflow = Overflow::kTruncate;
  RunPlan plan = make_plan(loaded, run, loaded.tokenizer.num_special_tokens());

  const int threads = loaded.info.threads;
  const Passage asked = cut(loaded.tokenizer, std::span(&query, 1), kMaxQueryTokens, threads).front();
  const std::vector<Passage> passages =
      cut(loaded.tokenizer, documents, std::min(kMaxDocumentTokens, options.max_length.value_or(kMaxDocumentTokens)),
          threads);
  if (options.on_overflow == Overflow::kError) {
    if (asked.report.truncated()) {
      throw Error(ErrorCode::kTooLong, fmt::format("the query has {} tokens, the limit is {}",
                                                   asked.report.tokens_in_text, kMaxQueryTokens));
    }
    for (std::size_t index = 0; index < passages.size(); ++index) {
      if (passages[index].report.truncated()) {
        throw Error(ErrorCode::kTooLong, "document", index,
                    fmt::format("has {} tokens, the limit is {}", passages[index].report.tokens_in_text,
                                passages[index].report.tokens));
      }
    }
  }

  const std::vector<Block> blocks = blocks_of(passages, plan.max_length - 2 * asked.report.tokens);
  std::vector<std::string> prompts;
  for (const Block& block : blocks) {
    prompts.push_back(
        prompt_of(asked.text, instruction, std::span(passages).subspan(block.first, block.end - block.first)));
  }
  if (options.on_progress) {  // told of documents, not of blocks
    plan.on_progress = [&](const Progress& progress) {
      const std::size_t done = progress.done == 0 ? 0 : documents.size() * progress.done / progress.total;
      return options.on_progress({.done = done, .total = documents.size(), .tokens = progress.tokens});
    };
  }
  PairScores out;
  if (blocks.empty()) {
    return out;
  }
  // The blocks are made by the declared limit, without the words around the documents; those may go beyond it.
  plan.max_length = loaded.info.max_positions;
  const std::vector<BlockVectors> vectors =
      run_blocks(loaded, prompt_inputs(loaded, prompts, plan.max_length), plan, blocks);
  const std::vector<float> average = average_query(vectors);
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    for (std::size_t index = blocks[b].first; index < blocks[b].end; ++index) {
      out.values.push_back(cosine(vectors[b].row(index - blocks[b].first), average));
      const ItemReport& report = passages[index].report;
      out.items.push_back({.tokens = asked.report.tokens + report.tokens,
                           .tokens_in_text = asked.report.tokens_in_text + report.tokens_in_text});
    }
  }
  return out;
}

}  // namespace mlxe
