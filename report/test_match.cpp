#include <algorithm>
#include <set>
#include <utility>

#include "report/test_logs.hpp"

namespace dagz::report {
namespace {

std::set<std::string_view> trigrams(std::string_view text) {
  std::set<std::string_view> parts;
  for (std::size_t i = 0; i + 3 <= text.size(); ++i) parts.insert(text.substr(i, 3));
  return parts;
}

// Those that have most in common with a part that none has.
std::vector<std::string> similar(const std::vector<std::string>& ids, std::string_view part) {
  const auto wanted = trigrams(part);
  std::vector<std::pair<std::size_t, const std::string*>> ranked;
  for (const std::string& id : ids) {
    const auto own = trigrams(id);
    std::size_t common = 0;
    for (const std::string_view one : wanted) common += own.count(one);
    if (common * 3 >= wanted.size() && common > 0) ranked.emplace_back(common, &id);
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<std::string> best;
  for (const auto& [common, id] : ranked) {
    if (best.size() == kCandidatesMax) break;
    best.push_back(*id);
  }
  return best;
}

template <class Predicate>
std::vector<const std::string*> those(const std::vector<std::string>& ids, Predicate fits) {
  std::vector<const std::string*> found;
  for (const std::string& id : ids) {
    if (fits(id)) found.push_back(&id);
  }
  return found;
}

}  // namespace

bool is_span_id(std::string_view text) {
  return text.size() == 16 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::vector<std::string> span_ids(const std::vector<NodeSummary>& nodes, const TestSummary& test,
                                  const SpanHasher& hash) {
  std::vector<std::string> spans;
  for (const AttemptSummary& attempt : test.attempts) {
    const auto node = std::find_if(nodes.begin(), nodes.end(), [&](const NodeSummary& one) {
      return one.name == attempt.node;
    });
    if (node == nodes.end() || node->id.empty()) {
      spans.emplace_back();
      continue;
    }
    std::string name = node->id;
    name += '\0';
    name += test.id;
    name += '\0';
    name += std::to_string(attempt.run);
    spans.push_back(hash(name));
  }
  return spans;
}

TestMatch match_test(const std::vector<std::string>& ids, std::string_view part) {
  TestMatch match;
  if (std::find(ids.begin(), ids.end(), part) != ids.end()) {
    match.id = part;
    match.matches = 1;
    return match;
  }
  auto found = those(ids, [part](const std::string& id) { return id.ends_with(part); });
  if (found.size() != 1) {
    found =
        those(ids, [part](const std::string& id) { return id.find(part) != std::string::npos; });
  }
  match.matches = found.size();
  if (found.size() == 1) {
    match.id = *found.front();
    return match;
  }
  for (const std::string* id : found) {
    if (match.candidates.size() == kCandidatesMax) break;
    match.candidates.push_back(*id);
  }
  if (found.empty()) match.candidates = similar(ids, part);
  return match;
}

TestRecord record_of(const JobSummary& summary, const TestSummary& test) {
  return {row_of(summary), summary.nodes, test};
}

}  // namespace dagz::report
