#include "commands/shared_durations.hpp"

#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "commands/sealed_file.hpp"

namespace dagz {
namespace {

constexpr std::string_view kLabel = "dagz durations";
constexpr const char* kSuffix = ".durations";
constexpr std::size_t kContentMax = kDurationsBytesMax - sizeof(mesh::Mac);

std::string file_name(const mesh::Keyring& keyring) { return to_hex(keyring.run_tag()) + kSuffix; }

}  // namespace

std::vector<report::TestDuration> read_shared_durations(const MeshAccess& access,
                                                        const std::string& rendezvous) {
  if (rendezvous.empty() || !access.suite) return {};
  const std::filesystem::path path = rendezvous + "/" + file_name(*access.suite);
  const auto content = read_sealed(*access.suite, kLabel, path, kContentMax);
  if (!content) return {};
  return report::decode_durations(*content).value_or(std::vector<report::TestDuration>());
}

std::vector<sched::KnownDuration> known_durations(const std::vector<report::TestDuration>& own,
                                                  const MeshAccess& access,
                                                  const std::string& rendezvous) {
  std::vector<sched::KnownDuration> known;
  known.reserve(own.size());
  for (const report::TestDuration& one : own) known.push_back({one.id, one.duration});
  auto shared = read_shared_durations(access, rendezvous);
  for (report::TestDuration& one : report::missing_durations(std::move(shared), own)) {
    known.push_back({std::move(one.id), one.duration});
  }
  return known;
}

bool has_shared_durations(const std::string& rendezvous) {
  if (rendezvous.empty()) return false;
  std::error_code error;
  for (std::filesystem::directory_iterator at(rendezvous, error), end; !error && at != end;
       at.increment(error)) {
    if (at->path().extension() == kSuffix) return true;
  }
  return false;
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
  const int error =
      write_sealed(*access.suite, kLabel, rendezvous, file_name(*access.suite), content);
  if (error == 0) return std::nullopt;
  return "the durations of the tests could not be left in " + rendezvous +
         " for later jobs: " + std::strerror(error);
}

}  // namespace dagz
