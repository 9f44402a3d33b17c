// A handler of SIGBUS made of async-signal-safe calls alone: no allocation, no stdio, no locale.
#include "lost_file.h"

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

#include "exit_code.h"

namespace mlxe::cli {
namespace {

constexpr std::string_view kBegin = "mlx_embeddings: error: ";
constexpr std::string_view kUnknown = "a file of the model";
constexpr std::string_view kEnd =
    " was cut short while it was in use, or its disk failed; put it back (of a model of the hub: mlx_embeddings verify "
    "NAME --repair)\n";

/// The characters of a file, one by one.
class Characters {
 public:
  explicit Characters(const char* path) : file_(::open(path, O_RDONLY | O_CLOEXEC)) {}
  ~Characters() { ::close(file_); }
  Characters(const Characters&) = delete;
  Characters& operator=(const Characters&) = delete;

  /// The next one, or 0 behind the last.
  char next() {
    if (at_ == count_) {
      at_ = 0;
      count_ = ::read(file_, buffer_, sizeof(buffer_));
      if (count_ <= 0) {
        count_ = 0;
        return 0;
      }
    }
    return buffer_[at_++];
  }

 private:
  int file_;
  ssize_t at_ = 0;
  ssize_t count_ = 0;
  char buffer_[4096];
};

/// A hexadecimal number and the character behind it.
std::uintptr_t read_hex(Characters& text, char& behind) {
  std::uintptr_t value = 0;
  while (true) {
    behind = text.next();
    if (behind >= '0' && behind <= '9') {
      value = value * 16 + static_cast<std::uintptr_t>(behind - '0');
    } else if (behind >= 'a' && behind <= 'f') {
      value = value * 16 + static_cast<std::uintptr_t>(behind - 'a' + 10);
    } else {
      return value;
    }
  }
}

/// Copies the name of the file that is mapped at an address. Lines of /proc/self/maps (proc_pid_maps(5)):
/// "7f00aa000-7f00bb000 r--p 00000000 08:01 1234   /path".
std::size_t find_name(std::uintptr_t address, char* name, std::size_t room) {
  Characters text("/proc/self/maps");
  char last = '\n';
  while (last == '\n') {
    const std::uintptr_t begin = read_hex(text, last);
    const std::uintptr_t end = last == '-' ? read_hex(text, last) : 0;
    const bool is_it = begin <= address && address < end;
    std::size_t length = 0;
    while (last != '\n' && last != 0) {
      last = text.next();
      if (is_it && last != '\n' && last != 0 && (length > 0 || last == '/') && length < room) {
        name[length++] = last;
      }
    }
    if (is_it) {
      return length;
    }
  }
  return 0;
}

extern "C" void tell_lost_file(int number, siginfo_t* info, void* /*context*/) {
  if (info->si_code != BUS_ADRERR) {  // a broken memory cell, or somebody's kill: as without a handler
    std::signal(number, SIG_DFL);
    std::raise(number);
    return;
  }
  static std::atomic_flag told;
  while (told.test_and_set()) {
    ::pause();  // another thread met it too and is about to end the program
  }
  constexpr std::size_t kLongestPath = 4096;
  static char line[kBegin.size() + kLongestPath + kEnd.size()];
  std::size_t length = 0;
  const auto add = [&](std::string_view text) {
    std::memcpy(line + length, text.data(), text.size());
    length += text.size();
  };
  add(kBegin);
  const std::size_t found = find_name(reinterpret_cast<std::uintptr_t>(info->si_addr), line + length, kLongestPath);
  length += found;
  if (found == 0) {
    add(kUnknown);
  }
  add(kEnd);
  static_cast<void>(!::write(STDERR_FILENO, line, length));
  ::_exit(kExitModel);
}

}  // namespace

void catch_lost_files() {
  struct sigaction action{};
  action.sa_sigaction = tell_lost_file;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, nullptr);
}

}  // namespace mlxe::cli
