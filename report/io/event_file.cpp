#include "report/io/event_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "report/io/whole_file.hpp"

namespace dagz::report {

EventFile::EventFile(const std::string& path) {
  std::string reason;
  descriptor_ = open_for_writing(path, O_CREAT, reason);
  if (descriptor_ < 0) {
    error_ = "the file " + path + " cannot be opened for writing: " + reason;
    return;
  }
  struct stat status = {};
  regular_ = ::fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode);
  // Nodes of one host may have been given the same name: one of them tells of the whole job.
  if (regular_ && ::flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    taken_ = true;
    return;
  }
  if (regular_ && ::ftruncate(descriptor_, 0) != 0) {
    error_ = "the file " + path + " cannot be emptied: " + std::strerror(errno);
    return;
  }
  outlet_.emplace(descriptor_);
}

EventFile::~EventFile() {
  outlet_.reset();
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool EventFile::write(std::string_view lines) {
  if (!outlet_) return true;
  if (outlet_->pending() + lines.size() > kBacklogMax) {
    return fail("its reader takes too little of it");
  }
  outlet_->add(lines);
  if (!outlet_->write()) return fail(std::strerror(outlet_->error()));
  size_ += static_cast<int64_t>(lines.size());
  return true;
}

bool EventFile::drain(int wake, int stall_ms) {
  while (poll_fd() >= 0) {
    if (outlet_->wait(wake, stall_ms) != 0) return fail("its reader takes nothing");
    if (!write({})) return false;
  }
  return true;
}

bool EventFile::fail(const std::string& reason) {
  error_ = reason;
  // No half of a line stays.
  if (regular_ && ::ftruncate(descriptor_, size_) != 0) errno = 0;
  outlet_.reset();
  return false;
}

std::optional<std::string> why_not_writable(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) return "it is a directory";
    if (::access(path.c_str(), W_OK) != 0) return std::strerror(errno);
    // Written to as it is: nothing new comes beside it.
    if (!S_ISREG(status.st_mode)) return std::nullopt;
  }
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  if (::access(folder.c_str(), W_OK | X_OK) != 0) return std::strerror(errno);
  return std::nullopt;
}

}  // namespace dagz::report
