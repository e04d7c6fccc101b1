#include "mesh/io/node_directory.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <memory>
#include <sstream>

#include "mesh/io/descriptor.hpp"
#include "mesh/io/sealed_identity.hpp"
#include "mesh/profile.hpp"

namespace dagz::mesh {
namespace {

constexpr std::string_view kMacLabel = "dagz directory entry";
constexpr std::string_view kSuffix = ".node";
constexpr std::string_view kTemporarySuffix = ".node.tmp";
// Between a process's begin as the kernel counts and as its own clock did.
constexpr int64_t kClocksDifferMs = 2'000;

std::string read_small(const char* path) {
  const Descriptor file(open(path, O_RDONLY | O_CLOEXEC));
  std::array<char, 256> text{};
  const ssize_t size = file.valid() ? read(file.get(), text.data(), text.size()) : -1;
  return size > 0 ? std::string(text.data(), static_cast<std::size_t>(size)) : std::string();
}

// `first`, then `second`.
Buffer joined(Bytes first, Bytes second) {
  Buffer all(first.size() + second.size());
  std::copy(second.begin(), second.end(), std::copy(first.begin(), first.end(), all.begin()));
  return all;
}

Buffer labelled(Bytes content) {
  return joined({reinterpret_cast<const uint8_t*>(kMacLabel.data()), kMacLabel.size()}, content);
}

// "<16 hex digits>-<32 hex digits>.node" and, for a temporary file, ".tmp". Nothing else in a
// directory that people chose is ever read or removed.
bool is_ours(std::string_view name, std::string_view suffix) {
  constexpr std::size_t kTagDigits = 2 * RunTag::kSize;
  constexpr std::size_t kDigits = kTagDigits + 1 + 2 * NodeId::kSize;
  if (name.size() != kDigits + suffix.size() || !name.ends_with(suffix)) return false;
  for (std::size_t i = 0; i < kDigits; ++i) {
    const char c = name[i];
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (i == kTagDigits ? c != '-' : !hex) return false;
  }
  return true;
}

std::optional<RawEntry> read_entry(int directory, const char* name) {
  const Descriptor file(openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  RawEntry entry;
  entry.name = name;
  // Once it is open, so that an NFS client asks anew.
  struct stat status {};
  if (file.valid() && fstat(file.get(), &status) == 0) {
    entry.touched_ns = int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
  }
  Buffer& bytes = entry.bytes;
  bytes.resize(kEntryBytesMax + 1);
  const ssize_t size = file.valid() ? read(file.get(), bytes.data(), bytes.size()) : -1;
  if (size < 0 || static_cast<std::size_t>(size) > kEntryBytesMax) return std::nullopt;
  bytes.resize(static_cast<std::size_t>(size));
  return entry;
}

int64_t milliseconds_of(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return int64_t{time.tv_sec} * 1'000 + time.tv_nsec / 1'000'000;
}

// When a process of this host began, by the wall clock; nothing if there is none.
std::optional<int64_t> began_wall_ms(int64_t pid) {
  constexpr int kFieldsFromStateToStart = 20;
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(file, text)) return std::nullopt;
  // The name, in parentheses, may hold anything.
  std::istringstream fields(text.substr(std::min(text.rfind(')') + 1, text.size())));
  std::string field;
  for (int i = 0; i < kFieldsFromStateToStart; ++i) fields >> field;
  if (!fields || field.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  const int64_t after_boot_ms =
      std::strtoll(field.c_str(), nullptr, 10) * 1'000 / std::max<int64_t>(sysconf(_SC_CLK_TCK), 1);
  return milliseconds_of(CLOCK_REALTIME) - milliseconds_of(CLOCK_BOOTTIME) + after_boot_ms;
}

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

}  // namespace

template <class Archive>
void DirectoryEntry::serialize(Archive& archive) {
  std::size_t count = addresses.size();
  archive(version, node_id, birth_wall_ms, host_id, pid, count);
  if (count > kEntryAddressesMax) throw WireError("too many addresses");
  addresses.resize(count);
  for (std::string& address : addresses) archive(bounded(address, kAddressMax));
  archive(bounded(sealed_identity, kSealedIdentityMax));
}

HostId this_host() {
  start_sodium();
  std::array<char, 128> space{};
  const ssize_t size = readlink("/proc/self/ns/pid", space.data(), space.size());
  std::string place = read_small("/proc/sys/kernel/random/boot_id");
  if (size > 0) place.append(space.data(), static_cast<std::size_t>(size));
  HostId id;
  crypto_generichash(id.bytes.data(), id.bytes.size(),
                     reinterpret_cast<const uint8_t*>(place.data()), place.size(), nullptr, 0);
  return id;
}

Buffer seal_entry(const Keyring& keyring, const DirectoryEntry& entry) {
  const Buffer content = encode(entry);
  const Mac mac = keyring.mac(labelled(content));
  return joined(mac, content);
}

std::optional<DirectoryEntry> open_entry(const Keyring& keyring, Bytes bytes) {
  Mac mac;
  if (bytes.size() < mac.size() || bytes.size() > kEntryBytesMax) return std::nullopt;
  std::copy_n(bytes.begin(), mac.size(), mac.begin());
  if (!keyring.verify_mac(labelled(bytes.subspan(mac.size())), mac)) return std::nullopt;
  return read_unverified_entry(bytes);
}

std::optional<DirectoryEntry> read_unverified_entry(Bytes bytes) {
  if (bytes.size() < sizeof(Mac) || bytes.size() > kEntryBytesMax) return std::nullopt;
  DirectoryEntry entry;
  if (!decode(bytes.subspan(sizeof(Mac)), entry) || entry.version != kEntryVersion) {
    return std::nullopt;
  }
  return entry;
}

bool is_dead(const DirectoryEntry& entry, const HostId& here) {
  if (entry.host_id != here || entry.pid <= 0) return false;
  return kill(static_cast<pid_t>(entry.pid), 0) != 0 && errno == ESRCH;
}

bool is_alive(const DirectoryEntry& entry, const HostId& here) {
  if (entry.host_id != here || entry.pid <= 0) return false;
  const auto began_ms = began_wall_ms(entry.pid);
  return began_ms && *began_ms <= entry.birth_wall_ms + kClocksDifferMs;
}

std::string entry_name(const RunTag& tag, const NodeId& id) {
  return to_hex(tag) + "-" + to_hex(id) + std::string(kSuffix);
}

int write_entry(const std::string& directory, const std::string& name, const Buffer& content) {
  const std::string path = directory + "/" + name;
  const std::string temporary = path + ".tmp";
  unlink(temporary.c_str());
  int error = 0;
  {
    const Descriptor file(
        open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!file.valid()) return errno;
    const ssize_t size = write(file.get(), content.data(), content.size());
    if (size != static_cast<ssize_t>(content.size())) error = size < 0 ? errno : ENOSPC;
  }
  if (error == 0 && rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error != 0) unlink(temporary.c_str());
  return error;
}

ScanResult scan_directory(const ScanRequest& request) {
  ScanResult result;
  const std::unique_ptr<DIR, CloseDirectory> directory(opendir(request.directory.c_str()));
  if (!directory) {
    result.error = errno;
    return result;
  }
  const int fd = dirfd(directory.get());
  const char* own = request.own_name.c_str();
  const bool has_own = !request.own_name.empty();
  if (has_own && utimensat(fd, own, nullptr, 0) != 0 && errno == ENOENT) {
    result.error = write_entry(request.directory, request.own_name, request.own_content);
  }
  struct stat status {};
  const bool touched = has_own && fstatat(fd, own, &status, AT_SYMLINK_NOFOLLOW) == 0;
  const int64_t now_s = touched ? status.st_mtime : std::time(nullptr);
  for (const std::string& name : request.remove) unlinkat(fd, name.c_str(), 0);

  std::size_t seen = 0;
  while (const dirent* file = readdir(directory.get())) {
    const std::string_view name = file->d_name;
    const bool entry = is_ours(name, kSuffix);
    if (++seen > kFilesMax || result.entries.size() >= kEntriesMax) break;
    if ((!entry && !is_ours(name, kTemporarySuffix)) || name == request.own_name) continue;
    if (fstatat(fd, file->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (has_own && now_s - status.st_mtime > kEntryStaleSeconds) {
      unlinkat(fd, file->d_name, 0);
    } else if (entry && name.starts_with(request.prefix)) {
      if (auto raw = read_entry(fd, file->d_name)) result.entries.push_back(std::move(*raw));
    }
  }
  return result;
}

std::string claim_private_directory(const std::string& path) {
  mkdir(path.c_str(), 0700);  // that it fails shows below
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) {
    return "cannot use the directory '" + path + "': " + std::strerror(errno);
  }
  if (!S_ISDIR(status.st_mode)) return "'" + path + "' is no directory";
  if (status.st_uid != geteuid()) return "the directory '" + path + "' belongs to another user";
  if ((status.st_mode & 077) != 0 && chmod(path.c_str(), 0700) != 0) {
    return "the directory '" + path + "' is open to other users";
  }
  return "";
}

std::string default_host_directory() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  struct stat status {};
  if (runtime != nullptr && runtime[0] == '/' && stat(runtime, &status) == 0 &&
      S_ISDIR(status.st_mode) && access(runtime, W_OK) == 0) {
    return std::string(runtime) + "/dagz";
  }
  return "/tmp/dagz-" + std::to_string(geteuid());
}

}  // namespace dagz::mesh
