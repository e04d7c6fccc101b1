#include "report/io/whole_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

// What a file that the user named is replaced by, and what is not replaced.

using namespace dagz::report;
namespace fs = std::filesystem;

namespace {

struct Folder {
  fs::path path = fs::temp_directory_path() / ("dagz-whole-file-" + std::to_string(getpid()));
  Folder() {
    fs::remove_all(path);
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const char* name) const { return (path / name).string(); }
  std::size_t size() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(path), {}));
  }
};

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

mode_t mode_of(const std::string& path) {
  struct stat status = {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  return status.st_mode;
}

ino_t inode_of(const std::string& path) {
  struct stat status = {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  return status.st_ino;
}

}  // namespace

TEST_CASE("whole file: a new one has the usual mode, a replaced one keeps its own", "[report]") {
  const Folder folder;
  const mode_t mask = umask(027);
  CHECK(write_whole_file(folder / "new", "text\n").empty());
  umask(mask);
  CHECK(content(folder / "new") == "text\n");
  CHECK((mode_of(folder / "new") & 07777U) == 0640);

  fs::permissions(folder / "new", fs::perms(0604));
  const ino_t before = inode_of(folder / "new");
  CHECK(write_whole_file(folder / "new", "more\n").empty());
  CHECK(content(folder / "new") == "more\n");
  CHECK((mode_of(folder / "new") & 07777U) == 0604);
  CHECK(inode_of(folder / "new") != before);
  CHECK(folder.size() == 1);
}

TEST_CASE("whole file: links are followed, also one that leads nowhere yet", "[report]") {
  const Folder folder;
  fs::create_directories(folder / "far");
  std::ofstream(folder / "far/file") << "old";
  fs::create_symlink("far/file", folder / "second");
  fs::create_symlink(folder / "second", folder / "first");
  fs::create_symlink("far/none", folder / "nowhere");
  CHECK(write_whole_file(folder / "first", "new").empty());
  CHECK(write_whole_file(folder / "nowhere", "made").empty());
  CHECK(fs::is_symlink(folder / "first"));
  CHECK(fs::is_symlink(folder / "second"));
  CHECK(fs::is_symlink(folder / "nowhere"));
  CHECK(content(folder / "far/file") == "new");
  CHECK(content(folder / "far/none") == "made");
  CHECK(folder.size() == 4);

  fs::create_symlink("round", folder / "round");
  CHECK_FALSE(write_whole_file(folder / "round", "text").empty());
  CHECK(fs::is_symlink(folder / "round"));
}

TEST_CASE("whole file: whoever reads a pipe gets it", "[report]") {
  const Folder folder;
  const std::string path = folder / "pipe";
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  const int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  REQUIRE(reader >= 0);
  CHECK(write_whole_file(path, "text\n").empty());
  std::array<char, 64> buffer{};
  const ssize_t size = read(reader, buffer.data(), buffer.size());
  CHECK(std::string(buffer.data(), static_cast<std::size_t>(size)) == "text\n");
  close(reader);
  CHECK(S_ISFIFO(mode_of(path)));
  CHECK(write_whole_file(path, "text\n") == "nobody reads it");
  CHECK(S_ISFIFO(mode_of(path)));
  CHECK(folder.size() == 1);
}

TEST_CASE("whole file: a device stays one", "[report]") {
  const Folder folder;
  const std::string null = folder / "null";
  const std::string full = folder / "full";
  // Only root can make them, and not everywhere.
  if (mknod(null.c_str(), S_IFCHR | 0666, makedev(1, 3)) != 0) return;
  REQUIRE(mknod(full.c_str(), S_IFCHR | 0666, makedev(1, 7)) == 0);
  const int usable = open(null.c_str(), O_WRONLY | O_CLOEXEC);
  if (usable < 0) return;
  close(usable);
  CHECK(write_whole_file(null, "text").empty());
  CHECK(write_whole_file(full, "text") == "No space left on device");
  CHECK(S_ISCHR(mode_of(null)));
  CHECK(S_ISCHR(mode_of(full)));
  CHECK(folder.size() == 2);
}

TEST_CASE("whole file: what is redirected there stays", "[report]") {
  const Folder folder;
  const std::string path = folder / "log";
  fs::create_symlink("/proc/self/fd/2", folder / "stderr");
  const int before = dup(STDERR_FILENO);
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  REQUIRE(dup2(file, STDERR_FILENO) == STDERR_FILENO);
  close(file);
  const ssize_t printed = write(STDERR_FILENO, "printed\n", 8);
  const std::string first = write_whole_file(path, "<xml/>\n");
  const std::string second = write_whole_file(folder / "stderr", "<more/>\n");
  dup2(before, STDERR_FILENO);
  close(before);
  CHECK(printed == 8);
  CHECK(first.empty());
  CHECK(second.empty());
  CHECK(content(path) == "printed\n<xml/>\n<more/>\n");
}

TEST_CASE("whole file: what is not kept leaves what was there", "[report]") {
  const Folder folder;
  std::ofstream(folder / "file") << "old";
  {
    WholeFile file(folder / "file");
    CHECK(file.write("half"));
    CHECK(folder.size() == 2);
  }
  CHECK(content(folder / "file") == "old");
  CHECK(folder.size() == 1);
  CHECK(write_whole_file(folder / "no/such", "text") == "No such file or directory");
  CHECK(write_whole_file(folder.path.string(), "text") == "Is a directory");
}
