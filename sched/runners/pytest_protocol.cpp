#include "sched/runners/pytest_protocol.hpp"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>

#include "report/entry.hpp"
#include "sched/runners/json_scanner.hpp"

namespace dagz::sched {
namespace {

constexpr uint32_t kMissing = UINT32_MAX;
constexpr int64_t kCountMax = UINT32_MAX - 1;
constexpr int64_t kFileBytesMax = int64_t{1} << 40;

uint32_t count(JsonScanner& in, int64_t most = kCountMax) {
  return static_cast<uint32_t>(in.integer(0, most));
}

// Of a test in its file. The numbers that stand for the file itself are ours alone to say.
uint32_t test_index(JsonScanner& in) { return count(in, report::kTestsPerFileMax - 1); }

Slot slot(JsonScanner& in) { return count(in, kSlotsMax - 1); }

// 0 is no process.
int32_t pid(JsonScanner& in) { return static_cast<int32_t>(in.integer(0, INT32_MAX)); }

int32_t status(JsonScanner& in) { return static_cast<int32_t>(in.integer(INT32_MIN, INT32_MAX)); }

Duration seconds(JsonScanner& in) {
  const double value = in.number();
  if (!(value > 0)) return {};
  if (value >= kTestDurationMax.to_seconds()) return kTestDurationMax;
  return Duration::nanoseconds(static_cast<int64_t>(value * 1e9));
}

void read_strings(JsonScanner& in, std::vector<std::string>& out, std::size_t most) {
  if (!in.begin_array()) return;
  while (in.next_element()) {
    if (out.size() == most) return in.fail("too many strings in one line");
    in.read(out.emplace_back());
  }
}

std::optional<report::Outcome> outcome_named(std::string_view name) {
  using report::Outcome;
  for (Outcome outcome : {Outcome::kPassed, Outcome::kFailed, Outcome::kError, Outcome::kSkipped,
                          Outcome::kXfailed, Outcome::kXpassed, Outcome::kStopped}) {
    if (name == report::to_string(outcome)) return outcome;
  }
  return std::nullopt;
}

// {"all": [...], "options": [...], "to_root": "../"}
void read_arguments(JsonScanner& in, report::RunnerArguments& out) {
  std::string key;
  if (!in.begin_object()) return;
  while (in.next_member(key)) {
    if (key == "all") {
      read_strings(in, out.all, kArgumentsMax);
    } else if (key == "options") {
      read_strings(in, out.options, kArgumentsMax);
    } else if (key == "to_root") {
      in.read(out.to_root);
    } else {
      in.skip();
    }
  }
}

std::size_t bytes_of(const report::RunnerArguments& arguments) {
  std::size_t bytes = arguments.to_root.size();
  for (const std::string& one : arguments.all) bytes += one.size();
  for (const std::string& one : arguments.options) bytes += one.size();
  return bytes;
}

DriverMessage decode_hello(JsonScanner& in) {
  ZygoteHello hello;
  std::string key;
  std::string role;
  int64_t version = 0;
  Slot worker_slot = kMissing;
  while (in.next_member(key)) {
    if (key == "v") {
      version = in.integer(0, INT32_MAX);
    } else if (key == "role") {
      in.read(role);
    } else if (key == "slot") {
      worker_slot = slot(in);
    } else if (key == "pid") {
      hello.pid = pid(in);
    } else if (key == "python") {
      in.read(hello.python);
    } else if (key == "pytest") {
      in.read(hello.pytest);
    } else if (key == "rootdir") {
      in.read(hello.rootdir);
    } else if (key == "notes") {
      read_strings(in, hello.notes, kNotesMax);
    } else if (key == "arguments") {
      read_arguments(in, hello.arguments.emplace());
      if (bytes_of(*hello.arguments) > kArgumentsBytesMax) hello.arguments.reset();
    } else {
      in.skip();
    }
  }
  if (version != kDriverProtocolVersion) {
    return BadLine{fmt::format("the driver speaks version {} of the protocol, dagz speaks {}",
                               version, kDriverProtocolVersion)};
  }
  if (hello.pid == 0) return BadLine{"hello without a pid"};
  if (role == "zygote") return hello;
  if (role == "worker" && worker_slot != kMissing) return WorkerHello{worker_slot, hello.pid};
  return BadLine{"hello without a role"};
}

// [["name", "value"], ["name", "value", "testsuite"], ...]
void read_properties(JsonScanner& in, report::Properties& out) {
  if (!in.begin_array()) return;
  while (in.next_element()) {
    if (out.size() == report::kPropertiesMax) return in.fail("too many properties in one line");
    std::vector<std::string> pair;
    read_strings(in, pair, 3);
    if (pair.size() < 2) return in.fail("a property without its value");
    const bool of_suite = pair.size() == 3;
    if (of_suite && pair[2] != "testsuite") return in.fail("a property of something unknown");
    out.push_back({std::move(pair[0]), std::move(pair[1]), of_suite});
  }
}

DriverMessage decode_done(JsonScanner& in) {
  DoneLine done;
  done.test = {kMissing, kMissing};
  std::string key;
  std::string name;
  while (in.next_member(key)) {
    switch (key.size() == 1 ? key[0] : '\0') {
      case 'f':
        done.test.file = count(in);
        break;
      case 'k':
        done.test.index = test_index(in);
        break;
      case 'o':
        in.read(name);
        break;
      case 'd':
        done.duration = seconds(in);
        break;
      case 's':
        done.shared_setup = seconds(in);
        break;
      case 'g':
        done.group_setup = seconds(in);
        break;
      case 'c':
        done.cpu = seconds(in);
        break;
      case 'm':
        in.read(done.message);
        break;
      case 'x':
        in.read(done.output);
        break;
      case 'p':
        read_properties(in, done.properties);
        break;
      default:
        in.skip();
    }
  }
  const std::optional<report::Outcome> outcome = outcome_named(name);
  if (!outcome || done.test.file == kMissing || done.test.index == kMissing) {
    return BadLine{"done without its test or outcome"};
  }
  done.outcome = *outcome;
  done.message.resize(std::min(done.message.size(), done.message.find_first_of("\r\n")));
  return done;
}

void read_groups(JsonScanner& in, std::vector<LocalGroup>& out) {
  std::string name;
  std::size_t indexes = 0;
  if (!in.begin_object()) return;
  while (in.next_member(name)) {
    LocalGroup& group = out.emplace_back();
    group.name = name;
    if (!in.begin_array()) return;
    while (in.next_element()) {
      if (++indexes > kIdsPerLineMax) return in.fail("too many tests in the groups of one line");
      group.indexes.push_back(count(in));
    }
  }
}

// [{"exclusive": true, "weight": 2, "mutex": "name", "times": 50, "k": [k, ...]}, ...]
void read_requirements(JsonScanner& in, std::vector<LocalRequirement>& out) {
  std::string key;
  std::size_t indexes = 0;
  if (!in.begin_array()) return;
  while (in.next_element()) {
    LocalRequirement& one = out.emplace_back();
    if (!in.begin_object()) return;
    while (in.next_member(key)) {
      if (key == "exclusive") {
        in.read(one.exclusive);
      } else if (key == "weight") {
        one.weight = static_cast<uint32_t>(in.integer(1, kWeightMax));
      } else if (key == "mutex") {
        in.read(one.mutex);
      } else if (key == "times") {
        one.times_usual = static_cast<uint32_t>(in.integer(1, report::kTimesUsualMax));
      } else if (key == "k") {
        if (!in.begin_array()) return;
        while (in.next_element()) {
          if (++indexes > kIdsPerLineMax) return in.fail("too many tests with marks in one line");
          one.indexes.push_back(count(in));
        }
      } else {
        in.skip();
      }
    }
  }
}

DriverMessage decode_file(JsonScanner& in) {
  FilePart part;
  part.file = kMissing;
  std::string key;
  while (in.next_member(key)) {
    if (key == "f") {
      part.file = count(in, kCatalogFilesMax - 1);
    } else if (key == "path") {
      in.read(part.path);
    } else if (key == "ids") {
      read_strings(in, part.ids, kIdsPerLineMax);
    } else if (key == "groups") {
      read_groups(in, part.groups);
    } else if (key == "needs") {
      read_requirements(in, part.requirements);
    } else if (key == "more") {
      in.read(part.more);
    } else {
      in.skip();
    }
  }
  if (part.file == kMissing) return BadLine{"file without its number"};
  return part;
}

void read_errors(JsonScanner& in, std::vector<CollectionError>& out) {
  std::string key;
  if (!in.begin_array()) return;
  while (in.next_element()) {
    if (out.size() == kCollectionErrorsMax) return in.fail("too many collection errors");
    CollectionError& error = out.emplace_back();
    if (!in.begin_object()) return;
    while (in.next_member(key)) {
      if (key == "path") {
        in.read(error.path);
      } else if (key == "text") {
        in.read(error.text);
      } else {
        in.skip();
      }
    }
  }
}

// [[path, bytes], ...]
DriverMessage decode_found(JsonScanner& in) {
  FoundPart part;
  std::string key;
  while (in.next_member(key)) {
    if (key != "files") {
      in.skip();
      continue;
    }
    if (!in.begin_array()) break;
    while (in.next_element()) {
      if (part.files.size() == kIdsPerLineMax) {
        in.fail("too many files in one line");
        break;
      }
      FilesFound::File& file = part.files.emplace_back();
      if (!in.begin_array()) break;
      for (int i = 0; in.next_element(); ++i) {
        if (i == 0) {
          in.read(file.path);
        } else if (i == 1) {
          file.bytes = static_cast<uint64_t>(in.integer(0, kFileBytesMax));
        } else {
          in.skip();
        }
      }
    }
  }
  return part;
}

DriverMessage decode_filed(JsonScanner& in) {
  FiledLine filed;
  filed.file = kMissing;
  std::string key;
  while (in.next_member(key)) {
    if (key == "f") {
      filed.file = count(in, kCatalogFilesMax - 1);
    } else if (key == "seconds") {
      filed.took = seconds(in);
    } else if (key == "errors") {
      read_errors(in, filed.errors);
    } else {
      in.skip();
    }
  }
  if (filed.file == kMissing) return BadLine{"filed without its number"};
  return filed;
}

DriverMessage decode_missing(JsonScanner& in) {
  MissingLine missing;
  missing.test = {kMissing, kMissing};
  std::string key;
  while (in.next_member(key)) {
    if (key == "f") {
      missing.test.file = count(in);
    } else if (key == "k") {
      missing.test.index = test_index(in);
    } else {
      in.skip();
    }
  }
  if (missing.test.file == kMissing || missing.test.index == kMissing) {
    return BadLine{"missing without its test"};
  }
  return missing;
}

DriverMessage decode_collected(JsonScanner& in) {
  Collected collected;
  std::string key;
  while (in.next_member(key)) {
    if (key == "files") {
      collected.files = count(in);
    } else if (key == "tests") {
      collected.tests = count(in);
    } else if (key == "skipped") {
      collected.skipped = count(in);
    } else if (key == "maxfail") {
      collected.max_fail = count(in);
    } else if (key == "threads") {
      collected.threads = count(in);
    } else if (key == "seconds") {
      collected.took = seconds(in);
    } else if (key == "shared") {
      in.read(collected.shared);
    } else if (key == "why") {
      in.read(collected.why);
    } else if (key == "notes") {
      read_strings(in, collected.notes, kNotesMax);
    } else if (key == "errors") {
      read_errors(in, collected.errors);
    } else {
      in.skip();
    }
  }
  return collected;
}

// The small kinds: a slot, a pid, a status, a text.
struct Fields {
  Slot slot = kMissing;
  int32_t pid = 0;
  int32_t status = 0;
  std::string text;
};

Fields read_fields(JsonScanner& in) {
  Fields fields;
  std::string key;
  while (in.next_member(key)) {
    if (key == "slot") {
      fields.slot = slot(in);
    } else if (key == "pid") {
      fields.pid = pid(in);
    } else if (key == "status") {
      fields.status = status(in);
    } else if (key == "text" || key == "reason") {
      in.read(fields.text);
    } else {
      in.skip();
    }
  }
  return fields;
}

DriverMessage decode_small(std::string_view kind, JsonScanner& in) {
  Fields fields = read_fields(in);
  if (kind == "want") return WantLine{};
  if (kind == "bye") return ByeLine{};
  if (kind == "cancelled") return CancelledLine{};
  if (kind == "exit_requested") return ExitRequestLine{std::move(fields.text), fields.status};
  if (kind == "collecting") return CollectingLine{std::move(fields.text)};
  if (kind == "failed") return ZygoteFailed{std::move(fields.text)};
  if (kind == "finished") return ZygoteFinished{fields.status};
  if (kind != "forked" && kind != "exit") return BadLine{"a message of an unknown kind"};
  if (fields.slot == kMissing || (fields.pid == 0 && fields.text.empty())) {
    return BadLine{fmt::format("{} without its slot or pid", kind)};
  }
  if (kind == "forked") return WorkerForked{fields.slot, fields.pid};
  return WorkerExited{fields.slot, fields.pid, fields.status, std::move(fields.text)};
}

DriverMessage decode_kind(std::string_view kind, JsonScanner& in) {
  if (kind == "done") return decode_done(in);
  if (kind == "file") return decode_file(in);
  if (kind == "hello") return decode_hello(in);
  if (kind == "collected") return decode_collected(in);
  if (kind == "found") return decode_found(in);
  if (kind == "filed") return decode_filed(in);
  if (kind == "missing") return decode_missing(in);
  return decode_small(kind, in);
}

}  // namespace

DriverMessage decode_driver_line(std::string_view line) {
  if (line.size() > kZygoteLineMax) return BadLine{"a line longer than its limit"};
  JsonScanner in(line);
  std::string key;
  std::string kind;
  if (!in.begin_object() || !in.next_member(key) || key != "t") {
    return BadLine{"a line that does not begin with the kind of message"};
  }
  in.read(kind);
  DriverMessage message = decode_kind(kind, in);
  // A fault of the text explains the missing fields that it led to.
  if (!in.finish()) return BadLine{std::string(in.error())};
  return message;
}

std::string encode_fork(const ForkOrder& order) {
  std::string line =
      fmt::format(R"({{"t":"fork","slot":{},"number":{},"log":)", order.slot, order.number);
  append_json_string(line, order.log);
  line += R"(,"tickets":)";
  append_json_string(line, order.tickets);
  line += R"(,"env":{)";
  const char* separator = "";
  for (const auto& [name, value] : order.env) {
    line += separator;
    append_json_string(line, name);
    line += ':';
    append_json_string(line, value);
    separator = ",";
  }
  line += "}}\n";
  return line;
}

// [f, k] a test; [f] a file to collect, [f, -1] without telling its tests; [n, k, run, f, id] a
// test by its name.
std::string encode_run(std::span<const RunOrder> orders) {
  std::string line = R"({"t":"run","tests":[)";
  const char* separator = "";
  for (const auto& [test, run, name] : orders) {
    line += separator;
    separator = ",";
    if (test.index == kCollectFile) {
      fmt::format_to(std::back_inserter(line), FMT_COMPILE("[{}]"), test.file);
    } else if (test.index == kCollectAgain) {
      fmt::format_to(std::back_inserter(line), FMT_COMPILE("[{},-1]"), test.file);
    } else {
      fmt::format_to(std::back_inserter(line), FMT_COMPILE("[{},{}"), test.file, test.index);
      if (run > 1 || name != nullptr)
        fmt::format_to(std::back_inserter(line), FMT_COMPILE(",{}"), run);
      if (name != nullptr) {
        fmt::format_to(std::back_inserter(line), FMT_COMPILE(",{},"), name->file);
        append_json_string(line, name->id);
      }
      line += ']';
    }
  }
  line += "]}\n";
  return line;
}

std::string encode_drain() { return "{\"t\":\"drain\"}\n"; }

std::string encode_cancel() { return "{\"t\":\"cancel\"}\n"; }

std::string encode_job(std::string_view name) {
  std::string line = R"({"t":"job","name":)";
  append_json_string(line, name);
  return line + "}\n";
}

std::string encode_finish(const FinishRunner& finish) {
  std::string line = fmt::format(R"({{"t":"finish","tests":{})", finish.tests);
  const auto append = [&line](const char* name, const std::vector<std::string>& ids) {
    line += fmt::format(R"(,"{}":[)", name);
    const char* separator = "";
    for (const std::string& id : ids) {
      line += separator;
      append_json_string(line, id);
      separator = ",";
    }
    line += ']';
  };
  append("failed", finish.failed);
  if (!finish.unfinished.empty()) append("unfinished", finish.unfinished);
  if (!finish.ran) line += R"(,"ran":false)";
  if (!finish.job.empty()) {
    line += R"(,"job":)";
    append_json_string(line, finish.job);
    line += fmt::format(R"(,"began":{},"elsewhere":{})", finish.began_s, finish.elsewhere);
  }
  return line + "}\n";
}

}  // namespace dagz::sched
