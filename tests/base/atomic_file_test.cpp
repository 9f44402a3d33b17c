// AtomicFile: the old file or the complete new one, never something between, on every kind of path.
#include <csignal>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "base/scratch_folder.h"
#include "support/expect_error.h"

namespace mlxe {
namespace {

using mlxe::testing::ScratchFolder;

constexpr std::size_t kLimit = 1'000'000;

std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

mode_t mode_of(const std::filesystem::path& path) {
  struct stat status{};
  EXPECT_EQ(stat(path.c_str(), &status), 0);
  return status.st_mode & 07777U;
}

void write_whole(const std::filesystem::path& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

TEST(AtomicFile, PutsTheContentInPlaceAndLeavesNothingElse) {
  const ScratchFolder folder;
  const std::filesystem::path path = folder.path() / "out";
  AtomicFile file(path);
  EXPECT_FALSE(file.direct());
  file.write("one ");
  file.write("");
  file.write("two");
  EXPECT_FALSE(std::filesystem::exists(path));  // not before commit()
  file.commit();
  EXPECT_EQ(read_file(path, kLimit), "one two");
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"out"});
}

TEST(AtomicFile, KeepsTheOldFileUntilCommit) {
  const ScratchFolder folder;
  folder.write("out", "old");
  {
    AtomicFile file(folder.path() / "out");
    file.write("half of the ne");
    EXPECT_EQ(read_file(folder.path() / "out", kLimit), "old");
  }
  EXPECT_EQ(read_file(folder.path() / "out", kLimit), "old");
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"out"});
}

TEST(AtomicFile, OverwritesEarlierBytesInPlace) {
  const ScratchFolder folder;
  AtomicFile file(folder.path() / "out");
  file.write("0123456789");
  file.write_at(2, "ab");
  file.write("!");
  file.commit();
  EXPECT_EQ(read_file(folder.path() / "out", kLimit), "01ab456789!");
}

TEST(AtomicFile, GivesANewFileTheUsualPermissionsAndKeepsThoseOfAnOldOne) {
  const ScratchFolder folder;
  const mode_t mask = umask(027);
  write_whole(folder.path() / "new", "x");
  umask(mask);
  EXPECT_EQ(mode_of(folder.path() / "new"), 0640U);
  folder.write("old", "old");
  ASSERT_EQ(chmod((folder.path() / "old").c_str(), 0604), 0);
  write_whole(folder.path() / "old", "new");
  EXPECT_EQ(mode_of(folder.path() / "old"), 0604U);
}

TEST(AtomicFile, ReplacesTheTargetOfALinkAndKeepsTheLink) {
  const ScratchFolder folder;
  folder.write("deep/target", "old");
  std::filesystem::create_symlink("deep/target", folder.path() / "second");
  std::filesystem::create_symlink("second", folder.path() / "first");
  write_whole(folder.path() / "first", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder.path() / "first"));
  EXPECT_TRUE(std::filesystem::is_symlink(folder.path() / "second"));
  EXPECT_EQ(read_file(folder.path() / "deep/target", kLimit), "new");
}

TEST(AtomicFile, CreatesTheTargetOfALinkToNothing) {
  const ScratchFolder folder;
  std::filesystem::create_symlink(folder.path() / "target", folder.path() / "link");
  write_whole(folder.path() / "link", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder.path() / "link"));
  EXPECT_EQ(read_file(folder.path() / "target", kLimit), "new");
}

TEST(AtomicFile, RefusesLinksThatGoRound) {
  const ScratchFolder folder;
  std::filesystem::create_symlink("b", folder.path() / "a");
  std::filesystem::create_symlink("a", folder.path() / "b");
  EXPECT_ERROR(kIo, "Too many levels of symbolic links", AtomicFile(folder.path() / "a"));
}

TEST(AtomicFile, NamesThePathThatCannotBeWritten) {
  const ScratchFolder folder;
  const std::string start = "cannot write " + folder.path().string();
  EXPECT_ERROR(kIo, start + ": Is a directory", AtomicFile(folder.path()));
  EXPECT_ERROR(kIo, start + "/none/out: No such file or directory", AtomicFile(folder.path() / "none" / "out"));
  folder.write("file", "");
  EXPECT_ERROR(kIo, start + "/file/out: Not a directory", AtomicFile(folder.path() / "file" / "out"));
  EXPECT_ERROR(kIo, "File name too long", AtomicFile(folder.path() / std::string(300, 'x')).commit());
}

TEST(AtomicFile, AcceptsTheLongestNameThatAFileMayHave) {
  const ScratchFolder folder;
  write_whole(folder.path() / std::string(255, 'x'), "long");
  EXPECT_EQ(read_file(folder.path() / std::string(255, 'x'), kLimit), "long");
}

/// Runs `work` in a child process, as nobody if this is root (root may write everywhere), and returns its exit code.
template <typename Work>
int exit_code_as_ordinary_user(const Work& work) {
  const pid_t child = fork();
  if (child == 0) {
    constexpr uid_t kNobody = 65534;
    if (geteuid() == 0 && setuid(kNobody) != 0) {
      _exit(90);
    }
    try {
      work();
    } catch (const Error& error) {
      const bool denied = std::string_view(error.what()).ends_with(": Permission denied");
      _exit(error.code() == ErrorCode::kIo && denied ? 1 : 2);
    }
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(AtomicFile, RefusesAReadOnlyFileAndAReadOnlyFolder) {
  const ScratchFolder folder;
  folder.write("read_only", "old");
  ASSERT_EQ(chmod((folder.path() / "read_only").c_str(), 0444), 0);
  ASSERT_EQ(chmod(folder.path().c_str(), 0777), 0);
  EXPECT_EQ(exit_code_as_ordinary_user([&] { write_whole(folder.path() / "fine", "x"); }), 0);
  EXPECT_EQ(exit_code_as_ordinary_user([&] { write_whole(folder.path() / "read_only", "new"); }), 1);
  ASSERT_EQ(chmod(folder.path().c_str(), 0555), 0);
  EXPECT_EQ(exit_code_as_ordinary_user([&] { write_whole(folder.path() / "out", "x"); }), 1);
  ASSERT_EQ(chmod(folder.path().c_str(), 0755), 0);
  EXPECT_EQ(read_file(folder.path() / "read_only", kLimit), "old");
}

TEST(AtomicFile, WritesToADeviceDirectlyAndReportsAFullOne) {
  AtomicFile file("/dev/full");
  EXPECT_TRUE(file.direct());
  EXPECT_ERROR(kIo, "cannot write /dev/full: No space left on device (needed 5 more bytes)", file.write("12345"));
  EXPECT_NO_THROW(write_whole("/dev/null", "anything"));
}

/// Runs `work` in a child process that may write only so many bytes into a file, and returns its exit code.
template <typename Work>
int exit_code_with_file_limit(rlim_t max_bytes, const Work& work) {
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);  // the write then fails with EFBIG
    const rlimit limit{max_bytes, max_bytes};
    setrlimit(RLIMIT_FSIZE, &limit);
    try {
      work();
    } catch (const Error& error) {
      _exit(error.code() == ErrorCode::kIo && std::string(error.what()).find("File too large") != std::string::npos
                ? 1
                : 2);
    }
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(AtomicFile, LeavesTheOldFileWhenTheNewOneDoesNotFit) {
  const ScratchFolder folder;
  folder.write("out", "old");
  // The limit falls inside the write, so the kernel makes it a short one before it refuses.
  const auto write_too_much = [&] { write_whole(folder.path() / "out", std::string(10'000, 'x')); };
  EXPECT_EQ(exit_code_with_file_limit(5'000, write_too_much), 1);
  EXPECT_EQ(read_file(folder.path() / "out", kLimit), "old");
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"out"});
  EXPECT_EQ(exit_code_with_file_limit(10'000, write_too_much), 0);
}

TEST(AtomicFile, WritesToAPipeDirectly) {
  const ScratchFolder folder;
  const std::filesystem::path pipe = folder.path() / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const std::string content(300'000, 'p');  // more than a pipe holds: short writes
  std::string received;
  std::thread reader([&] { received = read_file(pipe, kLimit); });
  {
    AtomicFile file(pipe);
    EXPECT_TRUE(file.direct());
    file.write(content);
    file.commit();
  }
  reader.join();
  EXPECT_EQ(received, content);
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"pipe"});
}

#if defined(__linux__)
TEST(AtomicFile, AppendsToStandardOutputThatIsAFile) {
  const ScratchFolder folder;
  folder.write("log", "before ");
  const int log = open((folder.path() / "log").c_str(), O_WRONLY);
  ASSERT_GE(log, 0);
  const std::filesystem::path path = "/proc/self/fd/" + std::to_string(log);
  struct stat before{};
  ASSERT_EQ(fstat(log, &before), 0);
  {
    AtomicFile file(path);
    EXPECT_TRUE(file.direct());
    file.write("after");
    file.commit();
  }
  struct stat after{};
  ASSERT_EQ(stat((folder.path() / "log").c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);  // who holds the descriptor sees it
  EXPECT_EQ(read_file(folder.path() / "log", kLimit), "before after");
  close(log);
}
#endif

}  // namespace
}  // namespace mlxe
