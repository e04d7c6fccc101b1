#include "report/io/event_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

using namespace dagz::report;
namespace fs = std::filesystem;

namespace {

struct Folder {
  fs::path path = fs::temp_directory_path() / ("dagz-event-file-" + std::to_string(getpid()));
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const char* name) const { return (path / name).string(); }
};

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("event file: lines are there at once, and an older file is emptied", "[events]") {
  const Folder folder;
  const std::string path = folder / "events";
  std::ofstream(path) << "old\n";
  EventFile file(path);
  REQUIRE(file.error().empty());
  CHECK(content(path).empty());
  CHECK(file.write("{\"a\":1}\n"));
  CHECK(file.write(""));
  CHECK(content(path) == "{\"a\":1}\n");
  CHECK(file.write("{}\n"));
  CHECK(content(path) == "{\"a\":1}\n{}\n");

  EventFile other(path);
  CHECK(other.error().empty());
  CHECK(other.is_taken());
  CHECK(other.write("never\n"));
  CHECK(content(path) == "{\"a\":1}\n{}\n");
}

TEST_CASE("event file: what cannot be opened is said in a sentence", "[events]") {
  const Folder folder;
  const std::string path = folder / "no/such/folder";
  const EventFile file(path);
  CHECK(file.error() ==
        "the file " + path + " cannot be opened for writing: No such file or directory");
}

TEST_CASE("event file: a full disk is said once", "[events]") {
  EventFile file("/dev/full");
  REQUIRE(file.error().empty());
  CHECK_FALSE(file.write("{}\n"));
  CHECK(file.write("{}\n"));
}

TEST_CASE("event file: it tells why nothing can be written any more", "[events]") {
  const Folder folder;
  const std::string path = folder / "pipe";
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  const int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  EventFile file(path);
  REQUIRE(file.error().empty());
  CHECK(file.write("{}\n"));
  close(reader);
  CHECK_FALSE(file.write("{}\n"));
  CHECK(file.error() == "Broken pipe");
}

TEST_CASE("event file: a pipe that nobody reads is an error, and no reason to wait for ever",
          "[events]") {
  const Folder folder;
  const std::string path = folder / "pipe";
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  const EventFile file(path);
  CHECK(file.error() == "the file " + path + " cannot be opened for writing: nobody reads it");
}

TEST_CASE("event file: a reader that stands still gets all of it later", "[events]") {
  const Folder folder;
  const std::string path = folder / "pipe";
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  const int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  EventFile file(path);
  REQUIRE(file.error().empty());
  const std::string line = "{\"event\":\"" + std::string(1'000, 'x') + "\"}\n";
  for (int i = 0; i < 1'000; ++i) REQUIRE(file.write(line));
  CHECK(file.poll_fd() >= 0);
  std::size_t size = 0;
  std::string piece(65'536, '\0');
  while (size < 1'000 * line.size()) {
    const ssize_t count = read(reader, piece.data(), piece.size());
    REQUIRE(count > 0);
    size += static_cast<std::size_t>(count);
    REQUIRE(file.write({}));
  }
  CHECK(size == 1'000 * line.size());
  CHECK(file.drain(-1, 0));
  for (int i = 0; i < 1'000; ++i) REQUIRE(file.write(line));
  CHECK_FALSE(file.drain(-1, 0));
  CHECK(file.error() == "its reader takes nothing");
  close(reader);
}

TEST_CASE("event file: whether a file can be put somewhere is known before", "[events]") {
  const Folder folder;
  CHECK_FALSE(why_not_writable(folder / "new"));
  CHECK(why_not_writable(folder / "no/such") == "No such file or directory");
  CHECK(why_not_writable(folder.path.string()) == "it is a directory");
  CHECK(fs::is_empty(folder.path));
}
