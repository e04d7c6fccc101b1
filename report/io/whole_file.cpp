#include "report/io/whole_file.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "report/io/write_all.hpp"

namespace dagz::report {
namespace {

constexpr int kLinksMax = 40;  // as the kernel's
constexpr int kNamesTried = 100;
// Whoever reads a pipe may open it in this moment.
constexpr int kReaderStepMs = 20;
constexpr int kReaderSteps = 100;

bool is_same(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// Where a new file has to be put for `path` to mean it. A link that leads nowhere counts as well.
std::string behind_links(const std::string& path) {
  std::filesystem::path at = path;
  for (int i = 0; i < kLinksMax; ++i) {
    std::error_code error;
    const auto next = std::filesystem::read_symlink(at, error);
    if (error) break;
    at = at.parent_path() / next;
  }
  return at.string();
}

}  // namespace

int open_for_writing(const std::string& path, int flags, std::string& error) {
  flags |= O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  for (int i = 0; i < kReaderSteps; ++i) {
    if (i > 0) ::poll(nullptr, 0, kReaderStepMs);
    const int descriptor = ::open(path.c_str(), flags, 0666);
    if (descriptor >= 0) return descriptor;
    const int reason = errno;
    struct stat status = {};
    const bool waits =
        reason == ENXIO && ::stat(path.c_str(), &status) == 0 && S_ISFIFO(status.st_mode);
    if (waits || reason == EINTR) continue;
    error = std::strerror(reason);
    return -1;
  }
  error = "nobody reads it";
  return -1;
}

WholeFile::WholeFile(const std::string& path) { open(path); }

WholeFile::~WholeFile() {
  close();
  if (!temporary_.empty()) std::remove(temporary_.c_str());
}

void WholeFile::open(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) {
      open_new(behind_links(path));
    } else {
      fail(errno);
    }
    return;
  }
  if (!S_ISREG(status.st_mode)) return open_as_it_is(path);
  for (const int descriptor : {STDOUT_FILENO, STDERR_FILENO}) {
    struct stat standard = {};
    if (::fstat(descriptor, &standard) != 0 || !is_same(standard, status)) continue;
    // A new file in its place would take along what has been printed.
    descriptor_ = descriptor;
    is_ours_ = false;
    return;
  }
  const std::string target = behind_links(path);
  struct stat found = {};
  if (::stat(target.c_str(), &found) != 0 || !is_same(found, status)) return open_as_it_is(path);
  open_new(target);
  if (descriptor_ < 0) return;
  // Of another owner where this process may.
  if (::fchown(descriptor_, status.st_uid, status.st_gid) != 0) errno = 0;
  if (::fchmod(descriptor_, status.st_mode & 0777U) != 0) fail(errno);
}

// Several processes may be about to write the same file.
void WholeFile::open_new(const std::string& target) {
  const std::string stem = target + ".new-" + std::to_string(::getpid());
  for (int i = 0; i < kNamesTried; ++i) {
    const std::string name = i == 0 ? stem : stem + "-" + std::to_string(i);
    descriptor_ = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ >= 0) {
      target_ = target;
      temporary_ = name;
      return;
    }
    if (errno != EEXIST) break;
  }
  fail(errno);
}

void WholeFile::open_as_it_is(const std::string& path) {
  descriptor_ = open_for_writing(path, O_TRUNC, error_);
}

bool WholeFile::write(std::string_view bytes) {
  if (!error_.empty()) return false;
  std::size_t lost = 0;
  const int error = write_all(descriptor_, bytes, lost);
  return error == 0 || fail(error);
}

bool WholeFile::keep() {
  if (!error_.empty()) return false;
  const int descriptor = std::exchange(descriptor_, -1);
  // Some file systems tell only now that there was no room.
  if (is_ours_ && ::close(descriptor) != 0) return fail(errno);
  if (temporary_.empty()) return true;
  if (std::rename(temporary_.c_str(), target_.c_str()) != 0) return fail(errno);
  temporary_.clear();
  return true;
}

bool WholeFile::fail(int error) {
  error_ = std::strerror(error);
  close();
  return false;
}

void WholeFile::close() {
  if (is_ours_ && descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

std::string write_whole_file(const std::string& path, std::string_view text) {
  WholeFile file(path);
  if (file.write(text)) file.keep();
  return file.error();
}

}  // namespace dagz::report
