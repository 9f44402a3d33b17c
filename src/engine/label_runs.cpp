// Joining by prefix, and the likeliest well-formed sequence of labels.
#include "engine/label_runs.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "mlxe/error.h"

namespace mlxe {
namespace {

struct Tag {
  char prefix = 'O';  // of B-, I-, E-, S-; O: none of them
  std::string entity;
};

Tag parse_tag(const std::string& label, std::string_view prefixes) {
  if (label.size() >= 2 && label[1] == '-' && prefixes.find(label[0]) != std::string_view::npos) {
    return {.prefix = label[0], .entity = label.substr(2)};
  }
  return {.prefix = 'O', .entity = label};
}

std::vector<Tag> parse_tags(std::span<const std::string> labels, std::string_view prefixes) {
  std::vector<Tag> tags;
  for (const std::string& label : labels) {
    tags.push_back(parse_tag(label, prefixes));
  }
  return tags;
}

float mean(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) {
    sum += value;
  }
  return static_cast<float>(sum / static_cast<double>(values.size()));
}

std::vector<std::size_t> likeliest_labels(std::size_t num_labels, std::span<const float> probabilities) {
  std::vector<std::size_t> best;
  for (std::size_t begin = 0; begin < probabilities.size(); begin += num_labels) {
    const std::span<const float> row = probabilities.subspan(begin, num_labels);
    best.push_back(static_cast<std::size_t>(std::ranges::max_element(row) - row.begin()));
  }
  return best;
}

bool may_begin(const Tag& tag) {
  return tag.prefix == 'O' || tag.prefix == 'B' || tag.prefix == 'S';
}

bool may_end(const Tag& tag) {
  return tag.prefix == 'O' || tag.prefix == 'E' || tag.prefix == 'S';
}

bool may_follow(const Tag& before, const Tag& after) {
  if (may_end(before)) {
    return may_begin(after);
  }
  return (after.prefix == 'I' || after.prefix == 'E') && after.entity == before.entity;
}

// Viterbi's algorithm; of equally likely sequences the one of smaller indices.
std::vector<std::size_t> likeliest_sequence(const std::vector<Tag>& tags, std::span<const float> probabilities) {
  constexpr double kNever = -std::numeric_limits<double>::infinity();
  const std::size_t width = tags.size();
  const std::size_t length = probabilities.size() / width;
  std::vector<std::size_t> came_from(length * width);
  std::vector<double> scores(width);
  for (std::size_t token = 0; token < length; ++token) {
    std::vector<double> next(width, kNever);
    for (std::size_t to = 0; to < width; ++to) {
      // Far below any probability of float32: a label of probability 0 is unlikely, not forbidden.
      const double log_probability = std::log(std::max(static_cast<double>(probabilities[token * width + to]), 1e-60));
      if (token == 0) {
        next[to] = may_begin(tags[to]) ? log_probability : kNever;
        continue;
      }
      for (std::size_t from = 0; from < width; ++from) {
        if (may_follow(tags[from], tags[to]) && scores[from] + log_probability > next[to]) {
          next[to] = scores[from] + log_probability;
          came_from[token * width + to] = from;
        }
      }
    }
    scores = std::move(next);
  }
  for (std::size_t label = 0; label < width; ++label) {
    scores[label] = may_end(tags[label]) ? scores[label] : kNever;
  }
  std::vector<std::size_t> path(length);
  auto label = static_cast<std::size_t>(std::ranges::max_element(scores) - scores.begin());
  for (std::size_t token = length; token-- > 0;) {
    path[token] = label;
    label = came_from[token * width + label];
  }
  return path;
}

}  // namespace

Aggregation natural_aggregation(std::span<const std::string> labels) {
  const auto any = [&](std::string_view beginning) {
    return std::ranges::any_of(labels, [&](const std::string& label) { return label.starts_with(beginning); });
  };
  const bool outside = std::ranges::find(labels, "O") != labels.end();
  return outside && any("E-") && any("S-") ? Aggregation::kBioes : Aggregation::kSimple;
}

std::vector<LabelRun> label_runs(std::span<const std::string> labels, std::span<const float> probabilities,
                                 Aggregation aggregation) {
  if (aggregation == Aggregation::kAuto) {
    aggregation = natural_aggregation(labels);
  }
  const bool bioes = aggregation == Aggregation::kBioes;
  if (bioes && std::ranges::find(labels, "O") == labels.end()) {
    throw Error(ErrorCode::kInvalidInput, "the labels have no 'O', joining them as BIOES wants one");
  }
  std::vector<LabelRun> runs;
  if (probabilities.empty()) {
    return runs;
  }
  const std::vector<Tag> tags = parse_tags(labels, bioes ? "BIES" : "BI");
  const std::vector<std::size_t> chosen =
      bioes ? likeliest_sequence(tags, probabilities) : likeliest_labels(labels.size(), probabilities);
  std::vector<float> scores;
  for (std::size_t token = 0; token < chosen.size(); ++token) {
    scores.push_back(probabilities[token * labels.size() + chosen[token]]);
  }
  for (std::size_t token = 0; token < chosen.size(); ++token) {
    const Tag& tag = tags[chosen[token]];
    bool joins = false;
    if (token > 0 && aggregation == Aggregation::kSimple) {
      joins = tag.prefix != 'B' && tag.entity == tags[chosen[token - 1]].entity;
    } else if (bioes) {
      joins = tag.prefix == 'I' || tag.prefix == 'E';
    }
    if (joins) {
      runs.back().last = token;
    } else {
      const bool whole = aggregation == Aggregation::kNone;
      runs.push_back({.label = whole ? labels[chosen[token]] : tag.entity, .score = 0, .first = token, .last = token});
    }
  }
  for (LabelRun& run : runs) {
    run.score = mean(std::span(scores).subspan(run.first, run.last - run.first + 1));
  }
  return runs;
}

}  // namespace mlxe
