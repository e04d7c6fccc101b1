#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mesh/archive.hpp"
#include "mesh/ids.hpp"
#include "mesh/io/keyring.hpp"

// A directory in which the nodes of a run leave their addresses: one small file each, named
// "<run tag>-<node id>.node", written beside and renamed, so nobody sees half of one.

namespace dagz::mesh {

inline constexpr std::size_t kEntryAddressesMax = 8;
inline constexpr std::size_t kEntryBytesMax = 4096;
inline constexpr std::size_t kEntriesMax = 512;     // of one run, read at a time
inline constexpr std::size_t kFilesMax = 16384;     // looked at, at a time
inline constexpr int64_t kEntryStaleSeconds = 600;  // by the directory's own clock

// Names a place where process ids mean the same: boot and pid namespace.
using HostId = FixedBytes<struct HostIdTag, 16>;
HostId this_host();

inline constexpr uint32_t kEntryVersion = 2;

struct DirectoryEntry {
  uint32_t version = kEntryVersion;
  NodeId node_id;
  int64_t birth_wall_ms = 0;
  HostId host_id;
  int64_t pid = 0;
  std::vector<std::string> addresses;  // of the control lane
  std::string sealed_identity;         // of the run (mesh/io/sealed_identity.hpp); may be empty

  template <class Archive>
  void serialize(Archive& archive);
};

// The file's content: MAC, then the entry.
Buffer seal_entry(const Keyring& keyring, const DirectoryEntry& entry);
// Nothing if the MAC is not by this run's keys or the rest is malformed.
std::optional<DirectoryEntry> open_entry(const Keyring& keyring, Bytes bytes);
// Of a run whose keys are not known yet: anybody may have written it.
std::optional<DirectoryEntry> read_unverified_entry(Bytes bytes);
// It says that it is from here, and its process is gone.
bool is_dead(const DirectoryEntry& entry, const HostId& here);
// It says that it is from here, and that process is no later one with the same number.
bool is_alive(const DirectoryEntry& entry, const HostId& here);

std::string entry_name(const RunTag& tag, const NodeId& id);

// Replaces the file at once. 0, or an errno.
int write_entry(const std::string& directory, const std::string& name, const Buffer& content);

// What a scan needs, by value: it may run on another thread and block there.
struct ScanRequest {
  std::string directory;
  std::string prefix;    // run tag
  std::string own_name;  // empty: none, and nothing is judged stale
  Buffer own_content;    // written again if somebody removed it
  std::vector<std::string> remove;
};
struct RawEntry {
  std::string name;
  Buffer bytes;
  int64_t touched_ns = 0;  // by the clock of the directory's host; an owner that lives moves it
};
struct ScanResult {
  int error = 0;                  // errno; entries are then incomplete
  std::vector<RawEntry> entries;  // of this run without the own one; unverified
};
// Touches the own entry (which also makes an NFS client look again), removes what is asked for and
// what is stale, and reads the rest.
ScanResult scan_directory(const ScanRequest& request);

// Makes `path` if need be, and sees to it that it is this user's alone. Nothing on success, or a
// sentence.
std::string claim_private_directory(const std::string& path);

// $XDG_RUNTIME_DIR/dagz if that is a directory, else /tmp/dagz-<uid>.
std::string default_host_directory();

}  // namespace dagz::mesh
