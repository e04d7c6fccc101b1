#include "tests/sim/sweep.hpp"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "mesh/check.hpp"
#include "mesh/mark.hpp"

namespace dagz::sim {
namespace {

std::string replay_of(const Task& task) {
  return "./dev sim --seed " + std::to_string(task.seed) + " --nodes " +
         std::to_string(task.nodes) +
         (task.meshes > 0 ? " --meshes " + std::to_string(task.meshes) : "");
}

void print_run(const Task& task, const Scenario& scenario, const Outcome& outcome) {
  std::printf("seed %llu: %s\n", static_cast<unsigned long long>(task.seed),
              describe(scenario).c_str());
  std::printf(
      "  %llu events, %llu messages, %llu bytes, %.3f s, formed %.3f s, job %.3f s, "
      "ideal %.3f s, %u steals, trace %016llx\n",
      static_cast<unsigned long long>(outcome.events),
      static_cast<unsigned long long>(outcome.messages),
      static_cast<unsigned long long>(outcome.bytes), outcome.virtual_time.to_seconds(),
      outcome.formed_after.to_seconds(), outcome.job_time.to_seconds(), outcome.ideal.to_seconds(),
      outcome.steals, static_cast<unsigned long long>(outcome.trace));
  for (const std::string& violation : outcome.violations) {
    std::printf("  violated: %s\n", violation.c_str());
  }
}

std::string to_text(const Totals& totals) {
  return nlohmann::json{{"runs", totals.runs},         {"events", totals.events},
                        {"messages", totals.messages}, {"virtual_ms", totals.virtual_ms},
                        {"node_ms", totals.node_ms},   {"faults", totals.faults},
                        {"marks", totals.marks},       {"worst", totals.worst}}
      .dump();
}

Totals from_text(const std::string& text) {
  const auto json = nlohmann::json::parse(text);
  return {json.at("runs"),    json.at("events"), json.at("messages"), json.at("virtual_ms"),
          json.at("node_ms"), json.at("faults"), json.at("marks"),    json.at("worst")};
}

void count_marks(Totals& totals) {
  for (const Mark* mark : Mark::all()) totals.marks[std::string(mark->name())] += mark->count();
}

Totals sweep_part(const Tasks& tasks, uint32_t first, uint32_t step, Task& current) {
  Totals totals;
  for (uint64_t n = first; const auto task = tasks(n); n += step) {
    current = *task;
    const int code = run_task(*task, false, totals);
    if (totals.worst == 0) totals.worst = code;
    std::fflush(stdout);
  }
  count_marks(totals);
  return totals;
}

struct Part {
  pid_t pid = 0;
  int from = -1;
};

Part start_part(const Tasks& tasks, uint32_t first, uint32_t step, Task& current) {
  std::array<int, 2> ends{};
  CHECK(pipe(ends.data()) == 0);
  std::fflush(stdout);
  const pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid > 0) {
    close(ends[1]);
    return {pid, ends[0]};
  }
  const std::string text = to_text(sweep_part(tasks, first, step, current));
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t written = write(ends[1], text.data() + at, text.size() - at);
    if (written <= 0) _exit(kDied);
    at += static_cast<std::size_t>(written);
  }
  _exit(0);
}

Totals finish_part(const Part& part, const Task& current) {
  std::string text;
  std::array<char, 4096> buffer{};
  for (ssize_t count = 0; (count = read(part.from, buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
  close(part.from);
  int status = 0;
  waitpid(part.pid, &status, 0);
  if (status == 0 && !text.empty()) return from_text(text);
  std::printf("seed %llu: the simulator died of it\n  replay: %s\n",
              static_cast<unsigned long long>(current.seed), replay_of(current).c_str());
  Totals totals;
  totals.worst = kDied;
  return totals;
}

}  // namespace

void Totals::add(const Totals& other) {
  runs += other.runs;
  events += other.events;
  messages += other.messages;
  virtual_ms += other.virtual_ms;
  node_ms += other.node_ms;
  for (const auto& [name, count] : other.faults) faults[name] += count;
  for (const auto& [name, count] : other.marks) marks[name] += count;
  worst = std::max(worst, other.worst);
}

int run_task(const Task& task, bool verbose, Totals& totals) {
  Scenario scenario = draw_scenario(task.seed, task.nodes, task.meshes);
  scenario.narrated = verbose;
  const Outcome outcome = simulate(scenario);
  ++totals.runs;
  totals.events += outcome.events;
  totals.messages += outcome.messages;
  totals.virtual_ms += outcome.virtual_time.ms();
  totals.node_ms += outcome.virtual_time.ms() * task.nodes;
  for (const auto& [name, count] : outcome.faults) totals.faults[name] += count;
  if (verbose || !outcome.violations.empty()) print_run(task, scenario, outcome);
  if (!outcome.violations.empty()) {
    std::printf("  replay: %s\n", replay_of(task).c_str());
    return kViolated;
  }
  scenario.narrated = false;
  if (task.twice && simulate(scenario).trace != outcome.trace) {
    std::printf("seed %llu is not deterministic\n  replay: %s\n",
                static_cast<unsigned long long>(task.seed), replay_of(task).c_str());
    return kNotDeterministic;
  }
  return 0;
}

Totals sweep(const Tasks& tasks, uint32_t processes) {
  // Where each process is, for the case that it dies.
  const std::size_t size = sizeof(Task) * processes;
  void* shared = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(shared != MAP_FAILED);
  Task* current = static_cast<Task*>(shared);
  std::vector<Part> parts;
  for (uint32_t i = 0; i < processes; ++i) {
    parts.push_back(start_part(tasks, i, processes, current[i]));
  }
  Totals totals;
  for (uint32_t i = 0; i < processes; ++i) totals.add(finish_part(parts[i], current[i]));
  munmap(shared, size);
  return totals;
}

}  // namespace dagz::sim
