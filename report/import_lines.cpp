#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/exchange.hpp"
#include "report/json_report.hpp"
#include "report/json_values.hpp"

namespace dagz::report {
namespace {

// One file in the format of our own, line by line: a job goes to the sink once it is whole.
class LineReader {
 public:
  explicit LineReader(const ImportContext& context) : context_(context) {}

  // What is wrong with the line; empty when nothing is.
  std::string take(std::string_view line) {
    if (ended_) return "there is more after the end";
    const Json json = Json::parse(line, nullptr, false);
    if (!json.is_object()) return "this is no JSON object";
    if (!begun_) {
      begun_ = true;
      return json.value("dagz_history", Json(0)) == Json(kExchangeVersion)
                 ? ""
                 : "this was exported by another version of dagz";
    }
    if (json.contains("tool")) return begin_job(line);
    if (json.contains("verdict")) return add_test(line);
    if (json.contains("recent")) return add_durations(json);
    if (json.contains("end")) return finish(json);
    return "this is no line of an exported history";
  }

  bool has_ended() const { return ended_; }

 private:
  std::string begin_job(std::string_view line) {
    if (std::string problem = flush(); !problem.empty()) return problem;
    job_ = parse_json(line);
    if (!job_ || job_->full_id.empty()) return "this is no job";
    ++jobs_;
    return {};
  }

  std::string add_test(std::string_view line) {
    if (!job_) return "a test without a job";
    auto test = parse_json_test(line);
    if (!test || test->id.empty()) return "this is no test";
    job_->tests.push_back(std::move(*test));
    return {};
  }

  std::string add_durations(const Json& json) {
    if (std::string problem = flush(); !problem.empty()) return problem;
    RecentDurations durations;
    const Json& recent = json["recent"];
    const Json id = json.value("id", Json());
    const Json file = json.value("file", Json());
    if (!id.is_string() || !file.is_string() || !recent.is_array()) return "these are no durations";
    durations.id = id.get<std::string>();
    durations.file = file.get<std::string>();
    for (const Json& pair : recent) {
      const bool fits = pair.is_array() && pair.size() == 2 && pair[0].is_number_integer() &&
                        pair[1].is_number_integer() && pair[0] >= 0 && pair[1] >= 0;
      if (!fits) return "these are no durations";
      durations.recent.emplace_back(pair[0].get<int64_t>(), pair[1].get<int64_t>());
    }
    context_.sink(std::move(durations));
    return {};
  }

  std::string finish(const Json& json) {
    if (std::string problem = flush(); !problem.empty()) return problem;
    ended_ = true;
    if (json["end"] == Json(jobs_)) return {};
    return fmt::format("{} jobs are here, and another number is said", jobs_);
  }

  std::string flush() {
    if (!job_) return {};
    JobSummary job = std::move(*job_);
    job_.reset();
    if (job.tests.size() != job.counts.total) {
      return fmt::format("only {} of {} tests of the job before are here", job.tests.size(),
                         job.counts.total);
    }
    context_.sink(std::move(job));
    return {};
  }

  const ImportContext& context_;
  std::optional<JobSummary> job_;
  std::size_t jobs_ = 0;
  bool begun_ = false;
  bool ended_ = false;
};

}  // namespace

std::string exchange_head() { return json_line({{"dagz_history", kExchangeVersion}}) + "\n"; }

std::string exchange_job(const JobSummary& summary) {
  std::string text = format_json_head(summary) + "\n";
  for (const TestSummary& test : summary.tests) text += format_json_test(test) + "\n";
  return text;
}

std::string exchange_durations(const RecentDurations& durations) {
  Json recent = Json::array();
  for (const auto& [started_ms, us] : durations.recent) recent.push_back({started_ms, us});
  return json_line({{"id", json_text(durations.id)},
                    {"file", json_text(durations.file)},
                    {"recent", std::move(recent)}}) +
         "\n";
}

std::string exchange_end(std::size_t jobs) { return json_line({{"end", jobs}}) + "\n"; }

std::size_t line_at(std::string_view text, std::size_t offset) {
  // A parser's word for the end may be one more than there is.
  if (offset > text.size() + 1) return 1;
  const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(offset, text.size()));
  return static_cast<std::size_t>(std::count(text.begin(), end, '\n')) + 1;
}

std::string file_of_id(std::string_view id) {
  return std::string(id.substr(0, id.substr(0, id.find('[')).find("::")));
}

std::optional<ImportProblem> import_lines(std::string_view text, const ImportContext& context) {
  LineReader reader(context);
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    std::string problem = reader.take(line);
    if (!problem.empty()) return ImportProblem{number, std::move(problem)};
  }
  if (!reader.has_ended()) return ImportProblem{number, "the file ends too early"};
  return std::nullopt;
}

std::optional<ImportProblem> import_durations(std::string_view text, const ImportContext& context) {
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::parse_error& error) {
    return ImportProblem{line_at(text, error.byte), "this is no JSON"};
  }
  if (json.empty()) {
    return ImportProblem{1, "this holds nothing that dagz knows: no jobs and no durations"};
  }
  for (const auto& [id, value] : json.items()) {
    const double seconds = value.is_number() ? value.get<double>() : -1.0;
    if (id.empty() || !(seconds >= 0) || seconds > kImportedSecondsMax) {
      const std::size_t place = text.find(json_line(id));
      return ImportProblem{line_at(text, place), "the duration of '" + cut(visible(id), 200) +
                                                     "' is no number of seconds"};
    }
    const RecentDurations durations{
        id, file_of_id(id), {{context.now.ms, std::llround(seconds * 1e6)}}, true};
    if (!context.sink(durations)) break;
  }
  return std::nullopt;
}

std::optional<ImportProblem> import_text(std::string_view text, const ImportContext& context) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  const char first = begin == std::string_view::npos ? '\0' : text[begin];
  if (first == '<') return import_junit(text, context);
  if (first == '{') {
    const std::string_view line = text.substr(begin, text.find('\n', begin) - begin);
    const bool ours = line.find("\"dagz_history\"") != std::string_view::npos;
    return ours ? import_lines(text, context) : import_durations(text, context);
  }
  return ImportProblem{line_at(text, begin),
                       "this is no exported history, no JUnit XML and no .test_durations"};
}

}  // namespace dagz::report
