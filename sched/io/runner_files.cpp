#include "sched/io/runner_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace dagz::sched {
namespace {

namespace fs = std::filesystem;

constexpr int kBacklog = 256;
constexpr std::string_view kPrefix = "dagz-run-";
constexpr std::string_view kUnique = "XXXXXX";
constexpr int kNamesTried = 8;

// Holds the directory's lock, which ends with its process; nothing when somebody else has it.
Descriptor lock_directory(const std::string& path) {
  Descriptor directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  struct stat info {};
  if (!directory.valid() || fstat(directory.get(), &info) != 0 || info.st_uid != geteuid() ||
      flock(directory.get(), LOCK_EX | LOCK_NB) != 0) {
    return Descriptor();
  }
  // Whoever had it may just have removed it.
  if (fstat(directory.get(), &info) != 0 || info.st_nlink == 0) return Descriptor();
  return directory;
}

// What processes that were killed have left behind.
void remove_orphans(const std::string& parent) {
  std::error_code error;
  for (fs::directory_iterator entry(parent, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.size() != kPrefix.size() + kUnique.size() || !name.starts_with(kPrefix)) continue;
    const Descriptor lock = lock_directory(entry->path());
    std::error_code ignored;
    if (lock.valid()) fs::remove_all(entry->path(), ignored);
  }
}

bool write_file(const std::string& path, std::string_view text) {
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  while (file.valid() && !text.empty()) {
    const ssize_t n = write(file.get(), text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return file.valid();
}

}  // namespace

std::optional<std::string> RunnerFiles::create(std::span<const DriverModule> driver) {
  const char* chosen = std::getenv("TMPDIR");
  if (chosen != nullptr && chosen[0] == '/' && !create_under(chosen, driver)) {
    return std::nullopt;
  }
  return create_under("/tmp", driver);
}

std::optional<std::string> RunnerFiles::create_under(const std::string& parent,
                                                     std::span<const DriverModule> driver) {
  std::string directory = fmt::format("{}/{}{}", parent, kPrefix, kUnique);
  if (directory.size() + std::string_view("/s").size() >= sizeof sockaddr_un::sun_path) {
    return fmt::format("{}: too long for the name of a socket", parent);
  }
  auto failed = [&](std::string_view what) {
    std::string text = fmt::format("cannot {} under {}: {}", what, parent, std::strerror(errno));
    remove();
    return text;
  };
  remove_orphans(parent);
  // Another process may take a new directory for an orphan until it is locked. Where nothing can be
  // locked, nobody removes anything.
  for (int tried = 0; tried < kNamesTried && !lock_.valid(); ++tried) {
    if (tried > 0) rmdir(directory_.c_str());
    directory_ = directory;
    if (mkdtemp(directory_.data()) == nullptr) {
      directory_.clear();
      return failed("make a directory");
    }
    lock_ = lock_directory(directory_);
  }
  if (!write_modules(driver)) return failed("write the pytest driver");
  if (!listen()) return failed("listen on a socket");
  return std::nullopt;
}

bool RunnerFiles::write_modules(std::span<const DriverModule> driver) const {
  if (mkdir(module_directory().c_str(), 0700) != 0) return false;
  return std::all_of(driver.begin(), driver.end(), [this](const DriverModule& module) {
    return write_file(fmt::format("{}/{}.py", module_directory(), module.name), module.text);
  });
}

bool RunnerFiles::listen() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = socket_path();
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  listen_fd_.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return listen_fd_.valid() &&
         bind(listen_fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
         chmod(path.c_str(), 0600) == 0 && ::listen(listen_fd_.get(), kBacklog) == 0;
}

void RunnerFiles::remove() {
  stop_listening();
  if (directory_.empty()) return;
  std::error_code ignored;  // a test may have put things there that we may not remove
  fs::remove_all(directory_, ignored);
  directory_.clear();
  lock_.reset();
}

std::string RunnerFiles::log_path(Slot slot) const {
  return fmt::format("{}/worker-{}.log", directory_, slot);
}

std::string RunnerFiles::tickets_path(Slot slot) const {
  return fmt::format("{}/worker-{}.tickets", directory_, slot);
}

std::optional<RunnerFiles::Peer> RunnerFiles::accept_peer() {
  Descriptor peer(accept4(listen_fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!peer.valid()) return std::nullopt;
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(peer.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0 ||
      credentials.uid != geteuid()) {
    return std::nullopt;
  }
  return Peer{std::move(peer), credentials.pid};
}

void RunnerFiles::mark_taken() const {
  const Descriptor file(
      open((socket_path() + ".taken").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

void RunnerFiles::unmark_taken() const { unlink((socket_path() + ".taken").c_str()); }

bool RunnerFiles::asked_for_text() const {
  return access((socket_path() + ".text").c_str(), F_OK) == 0;
}

void RunnerFiles::begin_log(Slot slot) {
  const Descriptor file(
      open(log_path(slot).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
}

std::string RunnerFiles::log_tail(Slot slot) const {
  // Tests can write here: a link or a FIFO in its place is not followed or waited for.
  const Descriptor file(
      open(log_path(slot).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat info {};
  if (!file.valid() || fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) return "";
  const off_t most = static_cast<off_t>(kLogTailMax);
  const off_t start = std::max<off_t>(0, info.st_size - most);
  std::string text(static_cast<std::size_t>(std::min(most, info.st_size)), '\0');
  const ssize_t n = pread(file.get(), text.data(), text.size(), start);
  text.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
  return text;
}

}  // namespace dagz::sched
