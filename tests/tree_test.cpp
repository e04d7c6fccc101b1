#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

// Rules about the source tree itself: the fence between decisions and the world, which folder may
// include which, sizes, and that every test is in the build.

namespace fs = std::filesystem;

namespace {

struct SourceFile {
  std::string path;  // relative to the project's root
  std::vector<std::string> lines;
};

const fs::path& root() {
  static const fs::path path = DAGZ_SOURCE_DIR;
  return path;
}

std::vector<std::string> read_lines(const fs::path& path) {
  std::vector<std::string> lines;
  std::ifstream stream(path);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

bool is_skipped_folder(const std::string& name) {
  return name.starts_with("build") || (name.starts_with('.') && name != ".ci") ||
         name == "__pycache__" || name == "third_party";
}

std::vector<SourceFile> read_tree(const std::set<std::string>& extensions) {
  std::vector<SourceFile> files;
  for (auto it = fs::recursive_directory_iterator(root()); it != fs::end(it); ++it) {
    if (it->is_directory() && is_skipped_folder(it->path().filename())) {
      it.disable_recursion_pending();
    } else if (it->is_regular_file() && extensions.count(it->path().extension()) > 0) {
      files.push_back({fs::relative(it->path(), root()), read_lines(it->path())});
    }
  }
  std::sort(files.begin(), files.end(),
            [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return files;
}

const std::vector<SourceFile>& sources() {
  static const std::vector<SourceFile> files = read_tree({".cpp", ".hpp"});
  return files;
}

bool under(const SourceFile& file, std::string_view folder) {
  return file.path.starts_with(folder);
}

bool is_program(const SourceFile& file) { return !under(file, "tests/") && !under(file, "bench/"); }

bool may_touch_the_world(const SourceFile& file) {
  static const std::regex shell(R"((.*/io/.*)|(commands/.*)|(agent\.[ch]pp)|(main\.cpp))");
  return std::regex_match(file.path, shell);
}

// What a line includes, with its brackets or quotes; "" for other lines.
std::string included(const std::string& line) {
  static const std::regex include(R"re(\s*#\s*include\s*(<[^>]+>|"[^"]+").*)re");
  if (line.find('#') == std::string::npos) return "";
  std::smatch match;
  return std::regex_match(line, match, include) ? match[1].str() : "";
}

// A line without its string literals and its comment.
std::string code_of(const std::string& line) {
  static const std::regex literal(R"re("([^"\\]|\\.)*")re");
  const bool any = line.find('"') != std::string::npos;
  const std::string code = any ? std::regex_replace(line, literal, "\"\"") : line;
  return code.substr(0, code.find("//"));
}

// Searching each line for a pattern takes far longer than for what all that match have.
bool has_any(const std::string& line, std::initializer_list<const char*> needles) {
  return std::any_of(needles.begin(), needles.end(), [&line](const char* needle) {
    return line.find(needle) != std::string::npos;
  });
}

using Complaints = std::vector<std::string>;

std::string at(const SourceFile& file, std::size_t index) {
  return file.path + ":" + std::to_string(index + 1) + ": ";
}

// Every line of the chosen files whose include matches.
template <class Chosen>
Complaints forbidden_includes(Chosen chosen, const std::string& pattern) {
  const std::regex forbidden(pattern);
  Complaints found;
  for (const SourceFile& file : sources()) {
    if (!chosen(file)) continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::string name = included(file.lines[i]);
      if (!name.empty() && std::regex_match(name, forbidden)) {
        found.push_back(at(file, i) + file.lines[i]);
      }
    }
  }
  return found;
}

}  // namespace

TEST_CASE("tree: there is something to look at", "[tree]") {
  CHECK(sources().size() > 20);
  CHECK(std::any_of(sources().begin(), sources().end(), may_touch_the_world));
}

TEST_CASE("tree: only io, agent and main include what touches the world", "[tree]") {
  const auto fenced = [](const SourceFile& f) { return is_program(f) && !may_touch_the_world(f); };
  CHECK(
      forbidden_includes(
          fenced,
          "<(zmq|zmq_addon|sqlite3|event2/.*|sodium|thread|chrono|mutex|shared_mutex|atomic|future|"
          "condition_variable|semaphore|barrier|latch|stop_token|fstream|iostream|"
          "filesystem|random|ctime|time|unistd|fcntl|poll|dirent|pwd|grp|"
          "pthread|sched|dlfcn|netdb|ifaddrs|spawn|syslog|termios|fmt/chrono|fmt/os|"
          "sodium/.*|sys/.*|net/.*|netinet/.*|arpa/.*|linux/.*)(\\.hp?p?)?>") == Complaints{});
}

TEST_CASE("tree: only io, agent and main call what touches the world", "[tree]") {
  const std::regex calls(
      R"(\b(getenv|secure_getenv|setenv|putenv|system|popen|fopen|fork|randombytes\w*|srand|rand|random_device|mt19937\w*|clock_gettime|gettimeofday|sleep|usleep|nanosleep|sigaction|raise)\s*\()");
  // Their results differ between standard libraries, or between runs.
  const std::regex unsteady(
      R"(std::(shuffle|random_shuffle|sample|hash\b|thread|mutex|chrono|\w+_distribution)|\b(std::)?time\s*\(\s*(nullptr|NULL|0)\s*\)|\bthread_local\b)");
  Complaints found;
  for (const SourceFile& file : sources()) {
    if (!is_program(file) || may_touch_the_world(file)) continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      if (!has_any(file.lines[i], {"(", "std::", "thread_local"})) continue;
      const std::string code = code_of(file.lines[i]);
      if (std::regex_search(code, calls) || std::regex_search(code, unsteady)) {
        found.push_back(at(file, i) + file.lines[i]);
      }
    }
  }
  CHECK(found == Complaints{});
}

TEST_CASE("tree: dependencies between folders point one way", "[tree]") {
  const auto in = [](const std::string& folder) {
    return [folder](const SourceFile& file) { return file.path.starts_with(folder); };
  };
  const std::string shell = "(node[^/]*|agent[^/]*|(commands|options)/.*)";
  CHECK(forbidden_includes(in("mesh/"), "\"((sched|report|tests)/.*|" + shell + ")\"") ==
        Complaints{});
  CHECK(forbidden_includes(in("report/"), "\"((sched|mesh/io|tests)/.*|" + shell + ")\"") ==
        Complaints{});
  const std::string sockets = "mesh/io/(?!descriptor\\.hpp)";
  CHECK(forbidden_includes(in("sched/"), "\"((" + sockets + "|(report/io|tests)/).*|" + shell +
                                             ")\"") == Complaints{});
  const auto pure = [](const SourceFile& f) { return is_program(f) && !may_touch_the_world(f); };
  CHECK(forbidden_includes(pure, "\"(.*/io/.*|agent[^/]*|commands/.*)\"") == Complaints{});
}

TEST_CASE("tree: includes start at the root, and none goes upwards", "[tree]") {
  Complaints found;
  for (const SourceFile& file : sources()) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::string name = included(file.lines[i]);
      if (!name.starts_with('"')) continue;
      if (!fs::exists(root() / name.substr(1, name.size() - 2))) {
        found.push_back(at(file, i) + file.lines[i]);
      }
    }
  }
  CHECK(found == Complaints{});
}

TEST_CASE("tree: no file is too long", "[tree]") {
  constexpr std::size_t kMaxLines = 800;
  Complaints found;
  for (const SourceFile& file : read_tree({".cpp", ".hpp", ".py", ".cmake", ".sh"})) {
    if (file.lines.size() > kMaxLines) {
      found.push_back(file.path + ": " + std::to_string(file.lines.size()) + " lines");
    }
  }
  CHECK(found == Complaints{});
}

TEST_CASE("tree: every header is guarded by pragma once", "[tree]") {
  Complaints found;
  for (const SourceFile& file : sources()) {
    if (!file.path.ends_with(".hpp")) continue;
    if (std::count(file.lines.begin(), file.lines.end(), "#pragma once") != 1) {
      found.push_back(file.path);
    }
  }
  CHECK(found == Complaints{});
}

TEST_CASE("tree: every unit test is in the build", "[tree]") {
  const std::vector<std::string> listed = read_lines(DAGZ_UNIT_SOURCES);
  const std::set<std::string> built(listed.begin(), listed.end());
  std::set<std::string> names;
  for (const SourceFile& file : sources()) {
    if (!file.path.ends_with("_test.cpp")) continue;
    INFO(file.path);
    CHECK(built.count((root() / file.path).string()) == 1);
    // ctest picks tests by the file's name alone.
    CHECK(names.insert(fs::path(file.path).filename().string()).second);
  }
}

TEST_CASE("tree: every planted bug is compiled in", "[tree]") {
  std::string list;
  for (const std::string& line : read_lines(root() / "tests/CMakeLists.txt")) list += line + " ";
  list = list.substr(list.find("set(planted_sources"));
  list = list.substr(0, list.find(')')) + " ";
  std::size_t asks = 0;
  for (const SourceFile& file : sources()) {
    if (under(file, "tests/") || !file.path.ends_with(".cpp")) continue;
    const bool plants = std::any_of(
        file.lines.begin(), file.lines.end(),
        [](const std::string& line) { return line.find("is_planted(") != std::string::npos; });
    if (!plants) continue;
    ++asks;
    INFO(file.path);
    CHECK(list.find(" " + file.path + " ") != std::string::npos);
  }
  CHECK(asks > 5);
}

TEST_CASE("tree: nothing is left open in a comment", "[tree]") {
  // The template of a temporary file has more of the last.
  const std::regex mark(R"(\b(TODO|FIXME|XXX)\b)");
  Complaints found;
  for (const SourceFile& file : read_tree({".cpp", ".hpp", ".py", ".cmake", ".txt", ".json"})) {
    if (file.path == "tests/tree_test.cpp") continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::string& line = file.lines[i];
      if (!has_any(line, {"TODO", "FIXME", "XXX"})) continue;
      if (std::regex_search(line, mark)) found.push_back(at(file, i) + line);
    }
  }
  CHECK(found == Complaints{});
}
