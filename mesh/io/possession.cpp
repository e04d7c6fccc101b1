#include "mesh/io/possession.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "mesh/io/descriptor.hpp"
#include "mesh/io/system_clock.hpp"

extern char** environ;

namespace dagz::mesh {
namespace {

constexpr Duration kGitPatience = Duration::seconds(10);

struct GitResult {
  int status = -1;  // exit status; -1 if it did not run or did not end well
  std::string output;
};

// Starts git with its output on `out`; the pid, or nothing.
std::optional<pid_t> start_git(const std::string& root, const std::vector<std::string>& words,
                               int out) {
  // The checkout often belongs to another user of the container, and file system monitors of the
  // project's configuration are of no use here.
  std::vector<std::string> line{"git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false",
                                "-C",  root};
  line.insert(line.end(), words.begin(), words.end());
  std::vector<char*> arguments;
  for (std::string& word : line) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  if (posix_spawn_file_actions_init(&actions) != 0) return std::nullopt;
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, "git", &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return std::nullopt;
  return pid;
}

// Everything up to the end of file; false when late or too much.
bool read_all(int fd, Instant deadline, std::string& output) {
  std::array<char, 65536> chunk;
  while (true) {
    const Duration left = deadline - monotonic_now();
    pollfd item{fd, POLLIN, 0};
    if (left.ns <= 0) return false;
    const int ready = poll(&item, 1, static_cast<int>(left.ms()) + 1);
    if (ready < 0 && errno != EINTR) return false;
    if (ready <= 0) continue;
    const ssize_t count = read(fd, chunk.data(), chunk.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    if (count == 0) return true;
    if (output.size() + static_cast<std::size_t>(count) > kIndexBytesMax) return false;
    output.append(chunk.data(), static_cast<std::size_t>(count));
  }
}

GitResult run_git(const std::string& root, const std::vector<std::string>& words) {
  GitResult result;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return result;
  const Descriptor reading(ends[0]);
  Descriptor writing(ends[1]);
  const auto pid = start_git(root, words, writing.get());
  writing.reset();
  if (!pid) return result;
  const bool complete = read_all(reading.get(), monotonic_now() + kGitPatience, result.output);
  if (!complete) kill(*pid, SIGKILL);
  int status = 0;
  while (waitpid(*pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (complete && WIFEXITED(status)) result.status = WEXITSTATUS(status);
  return result;
}

}  // namespace

std::optional<Possession> possession_of_index(std::string_view index, std::string_view job_key) {
  start_sodium();
  // "MODE BLOB STAGE\tPATH", reordered so that sorting is by path.
  std::vector<std::pair<std::string_view, std::string_view>> files;
  while (!index.empty()) {
    const std::size_t end = index.find('\0');
    const std::string_view entry = index.substr(0, end);
    const std::size_t tab = entry.find('\t');
    if (end == std::string_view::npos || tab == std::string_view::npos) return std::nullopt;
    files.emplace_back(entry.substr(tab + 1), entry.substr(0, tab));
    index.remove_prefix(end + 1);
  }
  if (files.empty()) return std::nullopt;
  std::sort(files.begin(), files.end());

  std::array<uint8_t, 32> job{};
  crypto_generichash(job.data(), job.size(), reinterpret_cast<const uint8_t*>(job_key.data()),
                     job_key.size(), nullptr, 0);
  crypto_generichash_state state;
  crypto_generichash_init(&state, job.data(), job.size(), 32);
  const auto add = [&state](std::string_view text) {  // with its end, so that no two lists collide
    crypto_generichash_update(&state, reinterpret_cast<const uint8_t*>(text.data()), text.size());
    const uint8_t end = 0;
    crypto_generichash_update(&state, &end, 1);
  };
  for (const auto& [path, blob] : files) {
    add(path);
    add(blob);
  }
  Possession possession;
  possession.key = Secret(32);
  possession.file_count = files.size();
  crypto_generichash_final(&state, possession.key.data(), possession.key.size());
  sodium_memzero(&state, sizeof state);
  return possession;
}

std::optional<Possession> prove_possession(const std::string& root, std::string_view job_key) {
  const GitResult index = run_git(root, {"ls-files", "-s", "-z"});
  if (index.status != 0) return std::nullopt;
  auto possession = possession_of_index(index.output, job_key);
  if (possession) possession->modified = run_git(root, {"diff-files", "--quiet"}).status == 1;
  return possession;
}

}  // namespace dagz::mesh
