#include "report/dashboard_route.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>
#include <vector>

#include "report/html.hpp"

namespace dagz::report {
namespace {

constexpr uint32_t kPageMax = 1'000'000;

using Parameters = std::vector<std::pair<std::string, std::string>>;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<Parameters> parse_query(std::string_view query) {
  Parameters parameters;
  if (query.empty()) return parameters;
  for (const std::string_view part : split(query, '&')) {
    const std::size_t equals = part.find('=');
    const auto name = percent_decode(part.substr(0, equals), true);
    const auto value = equals == std::string_view::npos
                           ? std::optional<std::string>("")
                           : percent_decode(part.substr(equals + 1), true);
    if (!name || !value) return std::nullopt;
    parameters.emplace_back(*name, *value);
  }
  return parameters;
}

// The enumerator that is written like this, of the first `count`.
template <class Enum>
std::optional<Enum> named(std::string_view word, int count) {
  for (int i = 0; i < count; ++i) {
    if (to_string(static_cast<Enum>(i)) == word) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

uint32_t page_number(std::string_view text) {
  uint32_t number = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return 1;
    number = number * 10 + static_cast<uint32_t>(c - '0');
    if (number > kPageMax) return kPageMax;
  }
  return number == 0 ? 1 : number;
}

void apply(const Parameters& parameters, DashboardRoute& route) {
  for (const auto& [name, value] : parameters) {
    if (name == "id") route.test = value;
    if (name == "tab") route.tab = named<JobTab>(value, kJobTabs);
    if (name == "spanTypes" && value == "failures" && !route.tab) route.tab = JobTab::kErrors;
    if (name == "q") route.text = value;
    if (name == "status") {
      route.filter = named<TestFilter>(value, kTestFilters).value_or(TestFilter::kAll);
    }
    if (name == "page") route.number = page_number(value);
  }
}

std::optional<DashboardPage> page_of(const std::vector<std::string>& parts) {
  static constexpr std::array<std::pair<std::string_view, DashboardPage>, 6> kPlain = {
      {{"", DashboardPage::kHome},
       {"jobs", DashboardPage::kJobs},
       {"healthz", DashboardPage::kHealth},
       {"style.css", DashboardPage::kStyle},
       {"app.js", DashboardPage::kScript},
       {"icon.svg", DashboardPage::kIcon}}};
  if (parts.size() == 1) {
    for (const auto& [name, page] : kPlain) {
      if (parts[0] == name) return page;
    }
  }
  const bool api = parts[0] == "api";
  const std::size_t size = parts.size() - (api ? 1 : 0);
  if (size == 0 || parts[api ? 1 : 0] != "jobs") return std::nullopt;
  if (size == 1) return DashboardPage::kApiJobs;
  if (parts[api ? 2 : 1].empty()) return std::nullopt;
  if (size == 2) return api ? DashboardPage::kApiJob : DashboardPage::kJob;
  if (size == 3 && !api && parts[2] == "tests") return DashboardPage::kTest;
  if (size == 3 && !api && parts[2] == "context") return DashboardPage::kContext;
  return std::nullopt;
}

}  // namespace

std::string_view to_string(JobTab tab) {
  switch (tab) {
    case JobTab::kErrors:
      return "errors";
    case JobTab::kFlaky:
      return "flaky";
    case JobTab::kSlowest:
      return "slowest";
    case JobTab::kTests:
      return "tests";
    case JobTab::kNodes:
      return "nodes";
    case JobTab::kReport:
      return "report";
  }
  return "";
}

std::string_view to_string(TestFilter filter) {
  switch (filter) {
    case TestFilter::kAll:
      return "all";
    case TestFilter::kPassed:
      return "passed";
    case TestFilter::kFailed:
      return "failed";
    case TestFilter::kFlaky:
      return "flaky";
    case TestFilter::kSkipped:
      return "skipped";
    case TestFilter::kUnfinished:
      return "unfinished";
  }
  return "";
}

std::optional<DashboardRoute> parse_route(std::string_view target) {
  if (target.size() > kTargetMax || !target.starts_with('/')) return std::nullopt;
  const std::size_t mark = target.find('?');
  std::vector<std::string> parts;
  for (const std::string_view part : split(target.substr(1, mark - 1), '/')) {
    auto decoded = percent_decode(part, false);
    if (!decoded) return std::nullopt;
    parts.push_back(std::move(*decoded));
  }
  const auto page = page_of(parts);
  if (!page) return std::nullopt;
  const auto parameters =
      parse_query(mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1));
  if (!parameters) return std::nullopt;
  DashboardRoute route;
  route.page = *page;
  apply(*parameters, route);
  if (parts.size() > 1) route.job = parts[parts[0] == "api" ? parts.size() - 1 : 1];
  return route;
}

std::string job_path(std::string_view job) { return "/jobs/" + percent_encode(job); }

std::string test_path(std::string_view job, std::string_view test) {
  return job_path(job) + "/tests?id=" + percent_encode(test);
}

std::string context_path(std::string_view job, std::string_view test) {
  return job_path(job) + "/context?id=" + percent_encode(test);
}

std::string job_path(std::string_view job, const DashboardRoute& route) {
  std::string path = job_path(job) + fmt::format("?tab={}", to_string(*route.tab));
  if (!route.text.empty()) path += "&q=" + percent_encode(route.text);
  if (route.filter != TestFilter::kAll) path += fmt::format("&status={}", to_string(route.filter));
  if (route.number > 1) path += fmt::format("&page={}", route.number);
  return path;
}

std::string host_name_of(std::string_view host_header) {
  std::string_view name = host_header;
  if (name.starts_with('[')) {
    name = name.substr(1, name.find(']') - 1);
  } else {
    name = name.substr(0, name.find(':'));
  }
  std::string out(name);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

}  // namespace dagz::report
