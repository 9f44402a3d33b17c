// Reading and mapping files.
#include "base/files.h"

#include <fstream>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scratch_folder.h"
#include "support/expect_error.h"

namespace mlxe {
namespace {

using mlxe::testing::ScratchFolder;

TEST(ReadFile, GivesEveryByte) {
  const ScratchFolder folder;
  const std::string content = std::string("a\0b\r\n", 5) + std::string(200'000, 'x');
  folder.write("file", content);
  EXPECT_EQ(read_file(folder.path() / "file", 1'000'000), content);
  folder.write("empty", "");
  EXPECT_EQ(read_file(folder.path() / "empty", 0), "");
}

TEST(ReadFile, AcceptsTheLimitAndNotOneByteMore) {
  const ScratchFolder folder;
  folder.write("file", "12345");
  EXPECT_EQ(read_file(folder.path() / "file", 5), "12345");
  EXPECT_ERROR(kIo, "it has 5 bytes, wanted at most 4", read_file(folder.path() / "file", 4));
}

TEST(ReadFile, NamesThePathAndTheReason) {
  const ScratchFolder folder;
  EXPECT_ERROR(kIo, "cannot read " + (folder.path() / "none").string() + ": No such file or directory",
               read_file(folder.path() / "none", 10));
  EXPECT_ERROR(kIo, "Is a directory", read_file(folder.path(), 10));
}

TEST(ReadFile, ReadsAPipeToItsEnd) {
  const ScratchFolder folder;
  const std::filesystem::path pipe = folder.path() / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const std::string content(300'000, 'p');  // more than a pipe holds, so it comes in several reads
  std::thread writer([&] { std::ofstream(pipe) << content; });
  EXPECT_EQ(read_file(pipe, 1'000'000), content);
  writer.join();
}

TEST(ReadFile, StopsReadingAnEndlessDevice) {
  EXPECT_ERROR(kIo, "it has more than 100000 bytes, wanted at most 100000", read_file("/dev/zero", 100'000));
}

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST(MappedFile, ShowsTheFilesBytes) {
  const ScratchFolder folder;
  folder.write("file", "content");
  EXPECT_EQ(text_of(MappedFile(folder.path() / "file")), "content");
}

TEST(MappedFile, MapsAnEmptyFileToNothing) {
  const ScratchFolder folder;
  folder.write("empty", "");
  EXPECT_TRUE(MappedFile(folder.path() / "empty").bytes().empty());
}

TEST(MappedFile, RefusesWhatIsNoFile) {
  const ScratchFolder folder;
  EXPECT_ERROR(kIo, "No such file or directory", MappedFile(folder.path() / "none"));
  EXPECT_ERROR(kIo, "Is a directory", MappedFile(folder.path()));
  EXPECT_ERROR(kIo, "wanted a regular file", MappedFile("/dev/null"));
}

TEST(MappedFile, OutlivesTheRemovalOfTheFile) {
  const ScratchFolder folder;
  folder.write("file", "content");
  const MappedFile file(folder.path() / "file");
  std::filesystem::remove(folder.path() / "file");
  EXPECT_EQ(text_of(file), "content");
}

TEST(MappedFile, ReleasesOnlyWholePagesOfTheRange) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const ScratchFolder folder;
  folder.write("file", std::string(4 * page, 'x'));
  const MappedFile file(folder.path() / "file");
  // A page that this process changed for itself shows the file's content again once it was released, and only then.
  auto* const start = reinterpret_cast<char*>(const_cast<std::byte*>(file.bytes().data()));
  ASSERT_EQ(mprotect(start, 4 * page, PROT_READ | PROT_WRITE), 0);
  const auto marks_after_release = [&](std::size_t begin, std::size_t count) {
    for (std::size_t i = 0; i < 4; ++i) {
      start[i * page] = '#';
    }
    file.release_pages(file.bytes().data() + begin, count);
    return std::string{start[0], start[page], start[2 * page], start[3 * page]};
  };
  EXPECT_EQ(marks_after_release(0, 4 * page), "xxxx");
  EXPECT_EQ(marks_after_release(page, 2 * page), "#xx#");
  EXPECT_EQ(marks_after_release(1, 3 * page), "#xx#");         // pages 0 and 3 only in part
  EXPECT_EQ(marks_after_release(page + 1, page - 2), "####");  // no page as a whole
  EXPECT_EQ(marks_after_release(2 * page, 0), "####");
}

}  // namespace
}  // namespace mlxe
