#include "sched/runners/pytest_stacks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

namespace dagz::sched {
namespace {

constexpr std::string_view kHead = "(most recent call first):";
constexpr std::string_view kCurrent = "Current thread";
constexpr std::string_view kFile = "  File \"";
constexpr std::string_view kLine = "\", line ";
constexpr std::string_view kIn = " in ";
// These call the test: what is above them tells nothing of it.
constexpr std::array<std::string_view, 6> kCallers = {"/_pytest/python.py", "/_pytest/fixtures.py",
                                                      "/_pytest/runner.py", "/_pytest/unittest.py",
                                                      "/unittest/case.py",  "/pluggy/"};
constexpr std::size_t kInnermostShown = 3;
constexpr std::size_t kOutermostShown = 1;

struct Frame {
  std::string_view path;
  std::string_view line;
  std::string_view function;
};

std::optional<Frame> parse_frame(std::string_view text) {
  if (!text.starts_with(kFile)) return std::nullopt;
  text.remove_prefix(kFile.size());
  const std::size_t line = text.rfind(kLine);
  if (line == std::string_view::npos) return std::nullopt;
  Frame frame;
  frame.path = text.substr(0, line);
  text.remove_prefix(line + kLine.size());
  const std::size_t in = text.find(kIn);
  if (in == std::string_view::npos) return std::nullopt;
  frame.line = text.substr(0, in);
  frame.function = text.substr(in + kIn.size());
  return frame;
}

bool calls_tests(std::string_view path) {
  return std::any_of(kCallers.begin(), kCallers.end(), [path](std::string_view part) {
    return path.find(part) != std::string_view::npos;
  });
}

std::string_view next_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

std::string to_string(const Frame& frame) {
  const std::size_t slash = frame.path.rfind('/');
  const std::string_view file =
      slash == std::string_view::npos ? frame.path : frame.path.substr(slash + 1);
  return fmt::format("{} ({}:{})", frame.function, file, frame.line);
}

}  // namespace

// The handler runs in the thread that is called the current one. Should that be missing, the thread
// that is written last is the main one.
std::string innermost_frames(std::string_view log) {
  std::vector<Frame> frames;
  bool reads = false;
  bool knows_current = false;
  while (!log.empty()) {
    const std::string_view line = next_line(log);
    if (line.ends_with(kHead)) {
      const bool current = line.starts_with(kCurrent);
      knows_current = knows_current || current;
      reads = current || !knows_current;
      if (reads) frames.clear();
    } else if (const auto frame = parse_frame(line); frame && reads) {
      if (calls_tests(frame->path)) {
        reads = false;
      } else {
        frames.push_back(*frame);
      }
    }
  }
  std::string text;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const bool inner = i < kInnermostShown;
    const bool outer = i + kOutermostShown >= frames.size();
    if (inner || outer) {
      text += (i == 0 ? "in " : " < ") + to_string(frames[i]);
    } else if (i == kInnermostShown) {
      text += " < …";
    }
  }
  return text;
}

}  // namespace dagz::sched
