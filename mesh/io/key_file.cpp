#include "mesh/io/key_file.hpp"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "mesh/io/descriptor.hpp"

namespace dagz::mesh {
namespace {

constexpr auto kHalfWrittenStep = std::chrono::milliseconds(10);
constexpr int kHalfWrittenSteps = 100;

std::string quoted(const std::string& path) { return "'" + path + "'"; }

KeyFile failure(std::string error, bool denied = false) {
  KeyFile file;
  file.error = std::move(error);
  file.denied = denied;
  return file;
}

std::string because(int error) { return std::string(": ") + std::strerror(error); }

// Reads up to `size` bytes; the count, or -1.
ssize_t read_fully(int fd, uint8_t* data, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t count = read(fd, data + done, size - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -1;
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return static_cast<ssize_t>(done);
}

bool write_fully(int fd, const Secret& key) {
  std::size_t done = 0;
  while (done < key.size()) {
    const ssize_t count = write(fd, key.data() + done, key.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += static_cast<std::size_t>(count);
  }
  return true;
}

bool is_space(uint8_t c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

KeyFile read_key(const std::string& path, int& open_error) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  open_error = file.valid() ? 0 : errno;
  if (!file.valid()) {
    return failure("cannot read the key file " + quoted(path) + because(open_error),
                   open_error == EACCES || open_error == ENOTDIR);
  }
  struct stat status {};
  if (fstat(file.get(), &status) != 0) {
    return failure("cannot read the key file " + quoted(path) + because(errno));
  }
  if (!S_ISREG(status.st_mode)) return failure(quoted(path) + " is no regular file");
  if (status.st_uid != geteuid()) {
    return failure("the key file " + quoted(path) +
                   " belongs to another user; remove it, or use --secret-file");
  }
  if ((status.st_mode & 077) != 0) {
    return failure("the key file " + quoted(path) +
                   " is open to other users; remove it, or use --secret-file");
  }
  KeyFile result;
  result.key = Secret(kKeyFileSize);
  for (int step = 0; step < kHalfWrittenSteps; ++step) {
    if (lseek(file.get(), 0, SEEK_SET) != 0) break;
    uint8_t extra = 0;
    const ssize_t count = read_fully(file.get(), result.key.data(), kKeyFileSize);
    if (count == static_cast<ssize_t>(kKeyFileSize) && read(file.get(), &extra, 1) == 0) {
      return result;
    }
    if (count < 0 || extra != 0) break;
    std::this_thread::sleep_for(kHalfWrittenStep);
  }
  return failure("the key file " + quoted(path) + " is damaged; remove it to have a new one made");
}

// Gives `path` a complete new key unless somebody was faster. 0, or the errno that prevented it.
int create_key(const std::string& path) {
  Secret key(kKeyFileSize);
  randombytes_buf(key.data(), key.size());
  std::string temporary = path + ".XXXXXX";
  const Descriptor file(mkostemp(temporary.data(), O_CLOEXEC));  // mode 0600
  if (!file.valid()) return errno;
  int error = write_fully(file.get(), key) ? 0 : errno;
  if (error == 0 && link(temporary.c_str(), path.c_str()) != 0) error = errno;
  unlink(temporary.c_str());
  if (error == EEXIST) return 0;
  if (error != EPERM && error != EOPNOTSUPP && error != ENOSYS && error != EMLINK) return error;

  // No hard links here (some network and FUSE file systems): readers wait for the full size.
  const Descriptor direct(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!direct.valid()) return errno == EEXIST ? 0 : errno;
  return write_fully(direct.get(), key) ? 0 : errno;
}

}  // namespace

KeyFile read_secret_file(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (!file.valid() || fstat(file.get(), &status) != 0) {
    return failure("cannot read the secret file " + quoted(path) + because(errno));
  }
  const std::string name = "the secret file " + quoted(path);
  if (!S_ISREG(status.st_mode)) return failure(name + " is no regular file");
  if (status.st_uid != geteuid() && status.st_uid != 0) {
    return failure(name + " belongs to another user");
  }
  if ((status.st_mode & 027) != 0) {
    return failure(name + " can be read or changed by others; chmod 600 it");
  }
  Secret text(kSecretMax + 1);
  const ssize_t count = read_fully(file.get(), text.data(), text.size());
  if (count < 0) return failure("cannot read " + name + because(errno));
  std::size_t size = static_cast<std::size_t>(count);
  if (size > kSecretMax) {
    return failure(name + " is longer than " + std::to_string(kSecretMax) + " bytes");
  }
  while (size > 0 && is_space(text.data()[size - 1])) --size;
  if (size < kSecretMin) {
    return failure(name + " is shorter than " + std::to_string(kSecretMin) +
                   " bytes; 'openssl rand -hex 32' makes a good one");
  }
  KeyFile result;
  result.key = Secret(size);
  std::memcpy(result.key.data(), text.data(), size);
  return result;
}

KeyFile load_or_create_key(const std::string& directory, const std::string& name) {
  start_sodium();
  const std::string path = directory + "/" + name;
  int open_error = 0;
  KeyFile existing = read_key(path, open_error);
  if (open_error != ENOENT) return existing;

  std::error_code ignored;
  const std::filesystem::path parent = std::filesystem::path(directory).parent_path();
  if (!parent.empty()) std::filesystem::create_directories(parent, ignored);
  mkdir(directory.c_str(), 0700);  // that it fails shows below
  if (const int error = create_key(path); error != 0) {
    return failure("cannot create the key file " + quoted(path) + because(error), true);
  }
  return read_key(path, open_error);
}

}  // namespace dagz::mesh
