#include "commands/sealed_file.hpp"

#include <algorithm>
#include <fstream>
#include <system_error>

#include "mesh/io/node_directory.hpp"

namespace dagz {
namespace {

Buffer labelled(std::string_view label, Bytes content) {
  Buffer all(label.begin(), label.end());
  all.insert(all.end(), content.begin(), content.end());
  return all;
}

}  // namespace

std::optional<Buffer> read_sealed(const mesh::Keyring& keyring, std::string_view label,
                                  const std::filesystem::path& path, std::size_t content_max) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!fs::is_regular_file(fs::symlink_status(path, error))) return std::nullopt;
  mesh::Mac mac;
  const auto size = fs::file_size(path, error);
  if (error || size < mac.size() || size > content_max + mac.size()) return std::nullopt;
  Buffer bytes(size);
  std::ifstream file(path, std::ios::binary);
  if (!file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size))) {
    return std::nullopt;
  }
  std::copy_n(bytes.begin(), mac.size(), mac.begin());
  bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(mac.size()));
  if (!keyring.verify_mac(labelled(label, bytes), mac)) return std::nullopt;
  return bytes;
}

int write_sealed(const mesh::Keyring& keyring, std::string_view label, const std::string& directory,
                 const std::string& name, Bytes content) {
  const mesh::Mac mac = keyring.mac(labelled(label, content));
  Buffer bytes(mac.begin(), mac.end());
  bytes.insert(bytes.end(), content.begin(), content.end());
  return mesh::write_entry(directory, name, bytes);
}

}  // namespace dagz
