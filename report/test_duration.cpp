#include "report/test_duration.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "report/entry.hpp"
#include "report/job_state.hpp"

namespace dagz::report {
namespace {

constexpr uint32_t kVersion = 1;
constexpr int64_t kParts = 4;
constexpr Duration kLongest = Duration::seconds(24 * 3600);

bool by_id(const TestDuration& a, const TestDuration& b) { return a.id < b.id; }

std::size_t common_prefix(std::string_view a, std::string_view b) {
  const auto end = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<std::size_t>(end.first - a.begin());
}

// An id as what differs from the one before.
struct Line {
  uint32_t prefix = 0;
  std::string rest;
  int64_t microseconds = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(prefix, bounded(rest, kTestIdMax), microseconds);
  }
};

}  // namespace

std::vector<TestDuration> merge_durations(std::vector<TestDuration> kept,
                                          const std::vector<TestDuration>& own) {
  std::sort(kept.begin(), kept.end(), by_id);
  std::vector<TestDuration> fresh;
  for (const TestDuration& one : own) {
    const auto known = std::lower_bound(kept.begin(), kept.end(), one, by_id);
    if (known == kept.end() || known->id != one.id) {
      fresh.push_back(one);
    } else {
      known->duration += (one.duration - known->duration) / kParts;
    }
  }
  kept.insert(kept.end(), std::make_move_iterator(fresh.begin()),
              std::make_move_iterator(fresh.end()));
  std::sort(kept.begin(), kept.end(), by_id);
  return kept;
}

std::vector<TestDuration> missing_durations(std::vector<TestDuration> kept,
                                            const std::vector<TestDuration>& own) {
  std::unordered_set<std::string_view> known;
  for (const TestDuration& one : own) known.insert(one.id);
  std::erase_if(kept, [&](const auto& one) { return known.contains(one.id); });
  return kept;
}

Buffer encode_durations(const std::vector<TestDuration>& durations) {
  Buffer content;
  WireWriter writer(content);
  writer(kVersion);
  std::string_view before;
  for (const TestDuration& one : durations) {
    const std::size_t prefix = common_prefix(before, one.id);
    writer(Line{static_cast<uint32_t>(prefix), one.id.substr(prefix), one.duration.us()});
    before = one.id;
  }
  return content;
}

std::optional<std::vector<TestDuration>> decode_durations(Bytes bytes) {
  std::vector<TestDuration> durations;
  try {
    WireReader reader(bytes);
    uint32_t version = 0;
    reader(version);
    if (version != kVersion) return std::nullopt;
    std::string before;
    while (reader.remaining() > 0) {
      Line line;
      reader(line);
      const bool fits = line.prefix <= before.size() && line.microseconds >= 0 &&
                        line.prefix + line.rest.size() <= kTestIdMax;
      if (!fits || durations.size() >= kJobTestsMax) return std::nullopt;
      before = before.substr(0, line.prefix) + line.rest;
      const int64_t took = std::min(line.microseconds, kLongest.us());
      durations.push_back({before, "", Duration::microseconds(took)});
    }
  } catch (const WireError&) {
    return std::nullopt;
  }
  return durations;
}

}  // namespace dagz::report
