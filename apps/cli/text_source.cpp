// Reads lines straight from the descriptor: no stream locale, no hidden limits, and a signal ends a read.
#include "text_source.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/utf8.h"
#include "interrupt.h"
#include "mlxe/error.h"

namespace mlxe::cli {
namespace {

// Enough texts to sort by length and pack well, few enough that a window is some tens of megabytes.
constexpr std::size_t kWindowTexts = 8192;
constexpr std::size_t kWindowBytes = std::size_t{32} << 20;
constexpr std::size_t kReadBytes = std::size_t{1} << 18;
// A producer that pauses longer than this wants its results now (tail -f); one that is merely slow does not.
constexpr int kPauseMs = 50;

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ > STDERR_FILENO) {
      close(number_);
    }
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return number_; }

 private:
  int number_;
};

bool ends_with_jsonl(std::string_view path) {
  return path.ends_with(".jsonl") || path.ends_with(".ndjson");
}

[[noreturn]] void not_utf8(const std::string& name) {
  throw Error(ErrorCode::kInvalidInput, fmt::format("{} is not valid UTF-8", name));
}

}  // namespace

struct TextSource::State {
  std::vector<std::string> arguments;
  std::unique_ptr<Descriptor> input;  // null: the texts are the arguments
  std::string path;                   // "-" for standard input
  std::optional<std::string> field;
  std::optional<std::string> pair_field;
  std::optional<std::size_t> total_bytes;
  std::string buffer;           // read and not yet handed out
  std::size_t position = 0;     // start of the next line in the buffer
  std::size_t searched = 0;     // no line end in [position, searched)
  std::size_t line_number = 0;  // of the last line taken
  bool ended = false;           // read() came to the end
  bool any_text = false;

  [[nodiscard]] std::string name() const { return path == "-" ? "standard input" : fmt::format("'{}'", path); }
  [[nodiscard]] std::string line_name() const { return fmt::format("line {} of {}", line_number, name()); }

  void open();
  void fill();
  [[nodiscard]] bool pauses() const;
  [[nodiscard]] std::optional<std::string_view> take_line();
  void add_line(TextWindow& window, std::string_view line) const;
  [[nodiscard]] Json object_of(std::string_view line) const;
  [[nodiscard]] std::string text_of(const Json& object, const std::string& key, std::string_view flag) const;
};

void TextSource::State::open() {
  if (path == "-") {
    input = std::make_unique<Descriptor>(STDIN_FILENO);
  } else {
    input = std::make_unique<Descriptor>(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (input->get() < 0) {
      throw Error(ErrorCode::kIo, fmt::format("cannot read '{}': {}", path, std::strerror(errno)));
    }
  }
  struct stat facts{};
  if (fstat(input->get(), &facts) != 0) {
    throw Error(ErrorCode::kIo, fmt::format("cannot read {}: {}", name(), std::strerror(errno)));
  }
  if (S_ISDIR(facts.st_mode)) {
    throw Error(ErrorCode::kIo, fmt::format("cannot read {}: it is a folder, a file of texts is wanted", name()));
  }
  if (S_ISREG(facts.st_mode)) {
    total_bytes = static_cast<std::size_t>(facts.st_size);
  }
}

void TextSource::State::fill() {
  buffer.erase(0, position);
  searched -= position;
  position = 0;
  const std::size_t size = buffer.size();
  buffer.resize(size + kReadBytes);
  ssize_t count = -1;
  do {
    throw_if_interrupted();
    count = ::read(input->get(), buffer.data() + size, kReadBytes);
  } while (count < 0 && errno == EINTR);
  if (count < 0) {
    throw Error(ErrorCode::kIo, fmt::format("cannot read {}: {}", name(), std::strerror(errno)));
  }
  ended = count == 0;
  buffer.resize(size + static_cast<std::size_t>(count));
}

bool TextSource::State::pauses() const {
  pollfd waiting{input->get(), POLLIN, 0};
  return !total_bytes && poll(&waiting, 1, kPauseMs) == 0;
}

std::optional<std::string_view> TextSource::State::take_line() {
  const std::size_t end = buffer.find('\n', searched);
  if (end == std::string::npos && !ended) {
    searched = buffer.size();
    return std::nullopt;
  }
  if (end == std::string::npos && position == buffer.size()) {
    return std::nullopt;
  }
  std::string_view line(buffer);
  line = line.substr(position, end == std::string::npos ? end : end - position);
  position = end == std::string::npos ? buffer.size() : end + 1;
  searched = position;
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  if (++line_number == 1 && line.starts_with("\xEF\xBB\xBF")) {
    line.remove_prefix(3);
  }
  return line;
}

void TextSource::State::add_line(TextWindow& window, std::string_view line) const {
  if (!is_valid_utf8(line)) {
    not_utf8(line_name());
  }
  if (!field) {
    window.texts.emplace_back(line);
  } else if (line.find_first_not_of(" \t") != std::string_view::npos) {
    const Json object = object_of(line);
    window.texts.push_back(text_of(object, *field, "--field"));
    if (pair_field) {
      window.pair_texts.push_back(text_of(object, *pair_field, "--pair-field"));
    }
  } else {
    return;  // JSON lines may be blank
  }
  window.lines.push_back(line_number);
}

Json TextSource::State::object_of(std::string_view line) const {
  Json object;
  try {
    object = parse_json(line, line_name());
  } catch (const Error& error) {
    // The same mistake in a file of the model would be the model's fault; here it is the input's.
    throw Error(ErrorCode::kInvalidInput, error.what());
  }
  if (!object.is_object()) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("{} is a JSON {}, an object with the field '{}' is wanted",
                                                      line_name(), object.type_name(), *field));
  }
  return object;
}

std::string TextSource::State::text_of(const Json& object, const std::string& key, std::string_view flag) const {
  const auto found = object.find(key);
  if (found == object.end()) {
    std::string keys;
    for (const auto& item : object.items()) {
      keys += fmt::format("{}'{}'", keys.empty() ? "" : ", ", item.key());
    }
    throw Error(ErrorCode::kInvalidInput, fmt::format("{} has no field '{}'; it has {}; name one with {}", line_name(),
                                                      key, keys.empty() ? "none" : keys, flag));
  }
  if (!found->is_string()) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("field '{}' in {} is a JSON {}, a string is wanted", key, line_name(), found->type_name()));
  }
  return found->get<std::string>();
}

TextSource::TextSource(const TextInput& input) : state_(std::make_unique<State>()) {
  if (input.file && !input.arguments.empty()) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("texts were given both as arguments ({}) and with -i ('{}'); use one of them",
                            input.arguments.size(), *input.file));
  }
  if (!input.file && input.arguments.empty()) {
    throw Error(
        ErrorCode::kInvalidInput,
        "no texts were given: give them as arguments, or a file of them with -i FILE (-i - reads standard input)");
  }
  if (!input.file && input.field) {
    throw Error(ErrorCode::kInvalidInput, "--field is for JSON lines read with -i, but the texts are arguments");
  }
  if (!input.file && input.pair_field) {
    throw Error(ErrorCode::kInvalidInput, "--pair-field is for JSON lines read with -i, but the texts are arguments");
  }
  state_->arguments = input.arguments;
  for (std::size_t i = 0; i < input.arguments.size(); ++i) {
    if (!is_valid_utf8(input.arguments[i])) {
      not_utf8(fmt::format("text {}", i + 1));
    }
  }
  if (input.file) {
    state_->path = *input.file;
    state_->field = input.field;
    if (!state_->field && ends_with_jsonl(state_->path)) {
      state_->field = "text";
    }
    state_->pair_field = input.pair_field;
    if (state_->pair_field && !state_->field) {
      throw Error(ErrorCode::kInvalidInput,
                  "--pair-field is for JSON lines: name the field of the first text with --field");
    }
    state_->open();
  }
}

TextSource::~TextSource() = default;
TextSource::TextSource(TextSource&&) noexcept = default;
TextSource& TextSource::operator=(TextSource&&) noexcept = default;

std::optional<TextWindow> TextSource::next() {
  State& state = *state_;
  TextWindow window;
  if (!state.input) {
    window.texts = std::exchange(state.arguments, {});
    for (const std::string& text : window.texts) {
      window.bytes += text.size();
    }
    return window.texts.empty() ? std::nullopt : std::optional(std::move(window));
  }
  while (window.texts.size() < kWindowTexts && window.bytes < kWindowBytes) {
    const std::size_t begin = state.position;
    if (const auto line = state.take_line()) {
      window.bytes += state.position - begin;
      state.add_line(window, *line);
    } else if (state.ended || (!window.texts.empty() && state.pauses())) {
      break;
    } else {
      state.fill();
    }
  }
  if (window.texts.empty()) {
    if (!state.any_text) {
      throw Error(ErrorCode::kInvalidInput, fmt::format("{} holds no text", state.name()));
    }
    return std::nullopt;
  }
  state.any_text = true;
  return window;
}

std::optional<std::size_t> TextSource::total_bytes() const {
  if (state_->input) {
    return state_->total_bytes;
  }
  std::size_t total = 0;
  for (const std::string& text : state_->arguments) {
    total += text.size();
  }
  return total;
}

std::string TextSource::name_of(const TextWindow& window, std::size_t index) const {
  return window.lines.empty() ? fmt::format("text {}", index + 1)
                              : fmt::format("line {} of {}", window.lines[index], state_->name());
}

}  // namespace mlxe::cli
