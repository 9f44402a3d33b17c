// YAML in front, as the hub reads it, then a text for people.
#include "convert/model_card.h"

#include <algorithm>

#include <fmt/format.h>

namespace mlxe {
namespace {

/// A key of the card's front matter with all of its lines.
struct Field {
  std::string key;
  std::vector<std::string> lines;
};

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

/// Only keys at the left margin matter; what belongs to them is kept as it stands.
std::vector<Field> front_matter(std::string_view card) {
  const std::vector<std::string_view> lines = lines_of(card);
  if (lines.empty() || lines.front() != "---") {
    return {};
  }
  std::vector<Field> fields;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const std::string_view line = lines[i];
    if (line == "---") {
      return fields;
    }
    const std::size_t colon = line.find(':');
    const bool is_key = !line.empty() && line.front() != ' ' && line.front() != '-' && line.front() != '#' &&
                        colon != std::string_view::npos;
    if (is_key) {
      fields.push_back({std::string(line.substr(0, colon)), {std::string(line)}});
    } else if (!fields.empty()) {
      fields.back().lines.emplace_back(line);
    }
  }
  return {};  // it has no end, so it is none
}

Field& field(std::vector<Field>& fields, const std::string& key) {
  const auto found = std::ranges::find(fields, key, &Field::key);
  if (found != fields.end()) {
    return *found;
  }
  fields.push_back({key, {key + ":"}});
  return fields.back();
}

void add_tag(std::vector<Field>& fields) {
  Field& tags = field(fields, "tags");
  std::string& first = tags.lines.front();
  if (const std::size_t bracket = first.find('['); bracket != std::string::npos) {
    const std::size_t content = first.find_first_not_of(' ', bracket + 1);
    first.insert(bracket + 1, content == std::string::npos || first[content] == ']' ? "mlx" : "mlx, ");
    return;
  }
  const bool has_tag = std::ranges::any_of(tags.lines, [](const std::string& line) {
    return line.ends_with("- mlx") && line.find_first_not_of(" -") == line.size() - 3;
  });
  if (!has_tag) {
    const bool indented = tags.lines.size() > 1 && tags.lines[1].starts_with("  ");
    tags.lines.insert(tags.lines.begin() + 1, indented ? "  - mlx" : "- mlx");
  }
}

std::string plain_size(std::size_t bytes) {
  return bytes < 1'000'000 ? fmt::format("{} KB", bytes / 1000) : fmt::format("{} MB", bytes / 1'000'000);
}

}  // namespace

std::string model_card_text(const ModelCard& card, std::string_view source_card) {
  std::vector<Field> fields = front_matter(source_card);
  field(fields, "library_name").lines = {"library_name: mlx"};
  if (card.from_hub) {
    field(fields, "base_model").lines = {fmt::format("base_model: {}", card.source)};
  }
  add_tag(fields);
  std::string text = "---\n";
  for (const Field& one : fields) {
    for (const std::string& line : one.lines) {
      text += line + "\n";
    }
  }
  text += fmt::format("---\n\n# {}\n\n{} converted to MLX format ({}) by mlx_embeddings.\n", card.name,
                      card.from_hub ? fmt::format("[{0}](https://huggingface.co/{0})", card.source) : card.source,
                      card.description);
  if (!card.command.empty()) {
    text += fmt::format("\n```sh\n{}\n```\n", card.command);
  }
  text += fmt::format(
      "\n## Use\n\n```sh\nmlx_embeddings embed -m {0} \"a cat\"\n```\n\n```python\nfrom mlx_embeddings import "
      "load, generate\n\nmodel, tokenizer = load(\"{0}\")\noutput = generate(model, tokenizer, texts=[\"a cat\", \"a "
      "dog\"])\nprint(output.text_embeds)\n```\n",
      card.name);
  text += "\n## Files\n\n| file | size | sha256 |\n|---|---|---|\n";
  for (const WrittenFile& file : card.files) {
    text += fmt::format("| {} | {} | `{}` |\n", file.name, plain_size(file.bytes), file.sha256);
  }
  return text;
}

}  // namespace mlxe
