#include "commands/shared_durations.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>

#include "mesh/io/node_directory.hpp"

namespace dagz {
namespace {

constexpr std::string_view kLabel = "dagz durations";
constexpr std::size_t kContentMax = kDurationsBytesMax - sizeof(mesh::Mac);

std::string file_name(const mesh::Keyring& keyring) {
  return to_hex(keyring.run_tag()) + ".durations";
}

Buffer labelled(Bytes content) {
  Buffer all(kLabel.begin(), kLabel.end());
  all.insert(all.end(), content.begin(), content.end());
  return all;
}

}  // namespace

std::vector<report::TestDuration> read_shared_durations(const MeshAccess& access,
                                                        const std::string& rendezvous) {
  if (rendezvous.empty() || !access.suite) return {};
  const std::filesystem::path path = rendezvous + "/" + file_name(*access.suite);
  std::error_code error;
  // Neither a link nor a pipe, which somebody else may have left there.
  if (!std::filesystem::is_regular_file(std::filesystem::symlink_status(path, error))) return {};
  mesh::Mac mac;
  const auto size = std::filesystem::file_size(path, error);
  if (error || size < mac.size() || size > kDurationsBytesMax) return {};
  Buffer bytes(size);
  std::ifstream file(path, std::ios::binary);
  if (!file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size))) {
    return {};
  }
  std::copy_n(bytes.begin(), mac.size(), mac.begin());
  const Bytes content = Bytes(bytes).subspan(mac.size());
  if (!access.suite->verify_mac(labelled(content), mac)) return {};
  return report::decode_durations(content).value_or(std::vector<report::TestDuration>());
}

std::optional<std::string> keep_shared_durations(const MeshAccess& access,
                                                 const std::string& rendezvous,
                                                 report::History& history) {
  if (rendezvous.empty() || !access.suite) return std::nullopt;
  const auto own = history.durations();
  if (own.problem || own.value.empty()) return std::nullopt;
  Buffer content = report::encode_durations(
      report::merge_durations(read_shared_durations(access, rendezvous), own.value));
  // What has grown beyond the limit with tests that are gone begins anew.
  if (content.size() > kContentMax)
    content = report::encode_durations(report::merge_durations({}, own.value));
  if (content.size() > kContentMax) return std::nullopt;
  const mesh::Mac mac = access.suite->mac(labelled(content));
  content.insert(content.begin(), mac.begin(), mac.end());
  const int error = mesh::write_entry(rendezvous, file_name(*access.suite), content);
  if (error == 0) return std::nullopt;
  return "the durations of the tests could not be left in " + rendezvous +
         " for later jobs: " + std::strerror(error);
}

}  // namespace dagz
