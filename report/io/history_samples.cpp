#include "report/io/history_samples.hpp"

#include <algorithm>

namespace dagz::report {
namespace {

void append_varint(std::string& out, int64_t value) {
  auto rest = static_cast<uint64_t>(value < 0 ? 0 : value);
  for (; rest >= 0x80; rest >>= 7) out.push_back(static_cast<char>(rest | 0x80));
  out.push_back(static_cast<char>(rest));
}

bool take_varint(std::string_view& in, int64_t& value) {
  uint64_t result = 0;
  for (int shift = 0; shift < 63 && !in.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(in.front());
    in.remove_prefix(1);
    result |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) {
      value = static_cast<int64_t>(result);
      return true;
    }
  }
  return false;
}

}  // namespace

std::vector<Sample> unpack_samples(std::string_view packed) {
  std::vector<Sample> samples;
  Sample sample;
  while (samples.size() < kSamplesMax && take_varint(packed, sample.started_ms) &&
         take_varint(packed, sample.duration_us)) {
    samples.push_back(sample);
  }
  return samples;
}

namespace {

std::string pack(const std::vector<Sample>& samples) {
  std::string out;
  for (const Sample& kept : samples) {
    append_varint(out, kept.started_ms);
    append_varint(out, kept.duration_us);
  }
  return out;
}

}  // namespace

std::string without_sample(std::string_view packed, int64_t started_ms) {
  std::vector<Sample> samples = unpack_samples(packed);
  std::erase_if(samples, [&](const Sample& one) { return one.started_ms == started_ms; });
  return pack(samples);
}

std::string add_sample(std::string_view packed, Sample sample) {
  std::vector<Sample> samples = unpack_samples(packed);
  const auto place = std::find_if(samples.begin(), samples.end(), [&sample](const Sample& other) {
    return other.started_ms <= sample.started_ms;
  });
  samples.insert(place, sample);
  if (samples.size() > kSamplesMax) samples.pop_back();
  return pack(samples);
}

std::optional<Duration> median_sample(std::string_view packed) {
  std::vector<Sample> samples = unpack_samples(packed);
  if (samples.empty()) return std::nullopt;
  std::sort(samples.begin(), samples.end(),
            [](const Sample& a, const Sample& b) { return a.duration_us < b.duration_us; });
  const std::size_t middle = samples.size() / 2;
  if (samples.size() % 2 == 1) return Duration::microseconds(samples[middle].duration_us);
  const int64_t low = samples[middle - 1].duration_us;
  return Duration::microseconds(low + (samples[middle].duration_us - low) / 2);
}

std::optional<Duration> duration_sample(const TestSummary& test) {
  const auto last =
      std::find_if(test.attempts.rbegin(), test.attempts.rend(), [](const AttemptSummary& attempt) {
        return !is_failure(attempt.outcome) && attempt.outcome != Outcome::kStopped;
      });
  if (last == test.attempts.rend()) return std::nullopt;
  return std::max(Duration{}, last->duration - last->shared_setup);
}

std::optional<Duration> setup_sample(const std::vector<const TestSummary*>& tests) {
  std::optional<Duration> most;
  for (const TestSummary* test : tests) {
    for (const AttemptSummary& attempt : test->attempts) {
      most = std::max(most.value_or(Duration{}), attempt.group_setup);
    }
  }
  return most;
}

}  // namespace dagz::report
