#include "sched/runners/pytest_environment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace dagz::sched {
namespace {

// What we set ourselves (an outer dagz may have set it for us) and what no test may see.
constexpr std::string_view kDropped[] = {"DAGZ_SECRET",       "DAGZ_SECRET_FILE",
                                         "DAGZ_SOCKET",       "DAGZ_ORIGINAL_PYTHONPATH",
                                         "PYTHONPATH",        "DAGZ_ORIGINAL_PYTEST_PLUGINS",
                                         "PYTEST_PLUGINS",    "DAGZ_DRIVER_COLLECT",
                                         "DAGZ_DRIVER_START", "DAGZ_DRIVER_WORKER"};

std::string_view name_of(std::string_view entry) { return entry.substr(0, entry.find('=')); }

std::optional<std::string> find(const std::vector<std::string>& entries, std::string_view name) {
  for (const std::string& entry : entries) {
    if (name_of(entry) == name && entry.size() > name.size()) return entry.substr(name.size() + 1);
  }
  return std::nullopt;
}

void set(std::vector<std::string>& entries, std::string_view name, std::string_view value) {
  std::erase_if(entries, [name](const std::string& entry) { return name_of(entry) == name; });
  entries.push_back(fmt::format("{}={}", name, value));
}

// Puts `first` before the list that `name` held, and keeps that list under its DAGZ_ORIGINAL_ name.
void prepend(std::vector<std::string>& entries, const std::vector<std::string>& base,
             std::string_view name, std::string_view first, char separator) {
  const std::optional<std::string> old = find(base, name);
  if (!old) return set(entries, name, first);
  set(entries, fmt::format("DAGZ_ORIGINAL_{}", name), *old);
  // An empty entry would mean the current directory to Python.
  set(entries, name,
      old->empty() ? std::string(first) : fmt::format("{}{}{}", first, separator, *old));
}

}  // namespace

std::vector<std::string> command_environment(const std::vector<std::string>& base,
                                             const DriverPlace& driver,
                                             const std::vector<EnvironmentEntry>& extra) {
  std::vector<std::string> entries;
  for (const std::string& entry : base) {
    const std::string_view name = name_of(entry);
    if (std::find(std::begin(kDropped), std::end(kDropped), name) == std::end(kDropped)) {
      entries.push_back(entry);
    }
  }
  set(entries, "DAGZ_SOCKET", driver.socket);
  if (!driver.collect.empty()) set(entries, "DAGZ_DRIVER_COLLECT", driver.collect);
  if (!driver.start.empty()) set(entries, "DAGZ_DRIVER_START", driver.start);
  prepend(entries, base, "PYTHONPATH", driver.directory, ':');
  prepend(entries, base, "PYTEST_PLUGINS", kDriverModule, ',');
  for (const auto& [name, value] : extra) set(entries, name, value);
  return entries;
}

std::vector<EnvironmentEntry> worker_environment(const StartWorker& start,
                                                 const std::string& run_uid) {
  std::vector<EnvironmentEntry> env = {
      {"DAGZ_WORKER", fmt::to_string(start.number)},
      {"DAGZ_WORKERS", fmt::to_string(start.workers)},
      {"DAGZ_SLOT", fmt::to_string(start.slot)},
      {"PYTEST_XDIST_WORKER", fmt::format("gw{}", start.number)},
      {"PYTEST_XDIST_WORKER_COUNT", fmt::to_string(start.workers)},
  };
  if (!run_uid.empty()) env.emplace_back("PYTEST_XDIST_TESTRUNUID", run_uid);
  return env;
}

}  // namespace dagz::sched
