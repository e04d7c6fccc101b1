#include <arpa/inet.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "commands/commands.hpp"
#include "commands/console.hpp"
#include "commands/mesh_access.hpp"
#include "commands/observer.hpp"
#include "mesh/io/address.hpp"
#include "mesh/io/beacon.hpp"
#include "mesh/io/system_clock.hpp"
#include "report/calendar.hpp"
#include "report/exit_code.hpp"
#include "report/io/history.hpp"
#include "report/text.hpp"
#include "sched/io/machine.hpp"
#include "sched/io/process.hpp"

// `dagz doctor`: a line for everything that a run from here would rest on.

namespace dagz {
namespace {

constexpr Duration kVersionWithin = Duration::seconds(20);
// Older ones may work; nobody tries.
constexpr int kOldestPytestMajor = 7;
constexpr int kOldestPytestMinor = 2;
constexpr rlim_t kFewDescriptors = 1024;
constexpr rlim_t kTooFewDescriptors = 64;
constexpr int64_t kOldestYear = 2024;  // clocks that were never set show less
constexpr int64_t kLatestYear = 2100;

class Findings {
 public:
  explicit Findings(bool color) : color_(color) {}

  void ok(const std::string& text) { add(report::Color::kGreen, "ok  ", text); }
  void note(const std::string& text) { add(report::Color::kYellow, "note", text); }
  void fail(const std::string& text) {
    add(report::Color::kRed, "FAIL", text);
    failed_ = true;
  }
  bool failed() const { return failed_; }
  // Whether everything could be said.
  bool complete() const { return complete_; }

 private:
  // At once: some of what follows takes a while.
  void add(report::Color tone, std::string_view word, const std::string& text) {
    complete_ =
        put(report::paint(tone, word, color_) + " " + report::visible(text) + "\n") && complete_;
  }

  bool color_;
  bool failed_ = false;
  bool complete_ = true;
};

bool is_writable(const std::string& path) { return access(path.c_str(), W_OK) == 0; }

std::string joined(const std::vector<std::string>& parts) {
  return fmt::format("{}", fmt::join(parts, ", "));
}

// ---- which run --------------------------------------------------------------------------------

void examine_ci(const CiRun& run, Findings& findings) {
  if (run.platform == "local") {
    findings.ok("ci: none is seen; a run by hand on " + host_name());
    return;
  }
  std::string text = "ci: " + run.platform;
  if (!run.build.empty()) text += ", build " + run.build;
  if (!run.step.empty()) text += ", step " + run.step;
  if (!run.matrix.empty()) text += " " + run.matrix;
  text += ", attempt " + std::to_string(run.attempt);
  if (run.node_index) text += ", node " + std::to_string(*run.node_index + 1);
  if (run.node_total) {
    text += (run.node_index ? " of " : ", nodes: ") + std::to_string(*run.node_total);
  }
  findings.ok(text);
}

// ---- how the others are found -----------------------------------------------------------------

void examine_binding(const NetworkOptions& network, const MeshAccess& access, Findings& findings) {
  const Binding binding = choose_binding(network, access);
  mesh::Transport transport(*access.keyring);
  std::string error = transport.open();
  if (error.empty()) error = transport.listen(binding.host, binding.port).error;
  if (!error.empty()) {
    findings.fail("network: " + error);
  } else if (!access.loopback_only) {
    findings.ok("network: can listen at " + binding.host + ", for other hosts");
  } else if (network.listen) {
    findings.ok("network: stays on this host, as --listen says; can listen at " + binding.host);
  } else {
    findings.ok(
        "network: stays on this host, as nothing says that there are others; can listen at " +
        binding.host);
  }
}

std::string text_of(const mesh::Interface& interface) {
  char text[INET_ADDRSTRLEN] = {};
  inet_ntop(AF_INET, &interface.address, text, sizeof text);
  return interface.name + " (" + text + ")";
}

void examine_beacon(const MeshAccess& access, Findings& findings) {
  const mesh::DiscoveryConfig& config = access.discovery;
  if (!config.beacon) {
    findings.ok("beacon: off, as --no-beacon says");
    return;
  }
  const std::string port = std::to_string(mesh::beacon_port(access.keyring->run_tag()));
  if (config.loopback_only) {
    findings.ok("beacon: UDP port " + port + ", on loopback only");
    return;
  }
  std::vector<std::string> interfaces;
  for (const mesh::Interface& one : mesh::list_interfaces()) {
    const bool used =
        config.beacon_interface.empty() ? !one.is_loopback : one.name == config.beacon_interface;
    if (used) interfaces.push_back(text_of(one));
  }
  if (interfaces.empty()) {
    findings.note("beacon: there is no interface for it" +
                  (config.beacon_interface.empty() ? "" : " named " + config.beacon_interface));
  } else {
    findings.ok("beacon: UDP port " + port + ", on " + joined(interfaces));
  }
}

void examine_sources(const MeshAccess& access, Findings& findings) {
  const mesh::DiscoveryConfig& config = access.discovery;
  if (!config.peers.empty()) findings.ok("peers: " + joined(config.peers));
  if (!config.dns_names.empty()) findings.ok("names: " + joined(config.dns_names));
  if (!config.slurm_nodes.empty()) findings.ok("slurm: " + config.slurm_nodes);
  if (config.rendezvous_dir.empty()) return;
  if (is_writable(config.rendezvous_dir)) {
    findings.ok("rendezvous: " + config.rendezvous_dir);
  } else {
    findings.fail("rendezvous: the directory " + config.rendezvous_dir + " cannot be written");
  }
}

void examine_mesh(const MeshAccess& access, Findings& findings) {
  const MeshReply reply = ask_mesh(access, Query::Kind::kMesh);
  for (const std::string& note : reply.notes) findings.note("discovery: " + note);
  if (!reply.error.empty()) {
    findings.fail("mesh: " + reply.error);
    return;
  }
  if (reply.foreign > 0) {
    findings.note("mesh: there are " + report::counted(reply.foreign, "node") +
                  " of this job under another secret");
  }
  if (!reply.json) {
    findings.ok("mesh: none is live for this job");
    return;
  }
  const auto tree = nlohmann::json::parse(*reply.json, nullptr, false);
  const auto members = tree.find("members");
  const std::size_t count = members == tree.end() ? 0 : members->size();
  findings.ok("mesh: one is live, with " + report::counted(count, "member"));
}

// ---- Python and pytest ------------------------------------------------------------------------

struct Told {
  bool found = false;
  bool well = false;  // ended with 0
  std::string text;
};

// What a command prints, if it ends soon.
Told run_to_end(const std::vector<std::string>& argv) {
  sched::Process process;
  sched::ProcessSpec spec;
  spec.argv = argv;
  spec.env = sched::own_environment();
  if (const auto error = process.start(spec)) return {!error->not_found, false, error->text};
  const Instant deadline = mesh::monotonic_now() + kVersionWithin;
  std::optional<int> status;
  while (!(status = process.reap()) && mesh::monotonic_now() < deadline) {
    process.read_output();
    pollfd items[] = {{process.output_fd(), POLLIN, 0}, {process.exit_fd(), POLLIN, 0}};
    poll(items, 2, 50);
  }
  process.kill_group(SIGKILL);
  if (!status) {
    return {true, false, fmt::format("did not end within {} s", kVersionWithin.ms() / 1000)};
  }
  process.read_output();
  return {true, *status == 0, process.output().text()};
}

// The line that begins with `word`, among warnings and the like; else the first.
std::string telling_line(const std::string& text, std::string_view word) {
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with(word)) return line;
  }
  return std::string(report::first_line(text));
}

// What the kernel would start for a script: the words of its first line.
std::vector<std::string> interpreter_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string line(256, '\0');
  file.read(line.data(), static_cast<std::streamsize>(line.size()));
  line.resize(static_cast<std::size_t>(file.gcount()));
  if (!line.starts_with("#!")) return {};
  std::istringstream words(line.substr(2, line.find('\n') - 2));
  std::vector<std::string> argv;
  for (std::string word; words >> word;) argv.push_back(word);
  // A shell's script says nothing of its Python.
  if (argv.empty() || argv.back().find("python") == std::string::npos) return {};
  return argv;
}

void examine_python(const std::optional<std::string>& pytest, Findings& findings) {
  std::vector<std::string> argv;
  if (pytest) argv = interpreter_of(*pytest);
  if (argv.empty()) argv = {"python3"};
  const std::string name = fmt::format("{}", fmt::join(argv, " "));
  argv.push_back("--version");
  const Told told = run_to_end(argv);
  if (told.well) {
    const auto path = sched::find_executable(argv.front(), sched::own_environment());
    const std::string where = path && *path != name ? name + ", " + *path : name;
    findings.ok("python: " + telling_line(told.text, "Python") + " (" + where + ")");
  } else if (!told.found) {
    findings.fail("python: `" + name + "` was not found");
  } else {
    findings.fail("python: `" + name +
                  " --version` failed: " + std::string(report::first_line(told.text)));
  }
}

// Of "pytest 8.3.4".
bool is_old_pytest(const std::string& line) {
  int major = 0;
  int minor = 0;
  if (std::sscanf(line.c_str(), "pytest %d.%d", &major, &minor) != 2) return false;
  return std::pair(major, minor) < std::pair(kOldestPytestMajor, kOldestPytestMinor);
}

void examine_pytest(const std::optional<std::string>& path, Findings& findings) {
  // The project's conftest.py stays out of this.
  const std::vector<std::string> question = {"--version", "--noconftest"};
  if (!path) {
    std::vector<std::string> argv = {"python3", "-m", "pytest"};
    argv.insert(argv.end(), question.begin(), question.end());
    if (const Told told = run_to_end(argv); told.well) {
      findings.note("pytest: `pytest` was not found, but python3 has it (" +
                    telling_line(told.text, "pytest") + "): `dagz run -- python3 -m pytest`");
    } else {
      findings.fail("pytest: `pytest` was not found; install it in this environment");
    }
    return;
  }
  const Told told = run_to_end({*path, question[0], question[1]});
  const std::string line = telling_line(told.text, "pytest");
  if (!told.well) {
    findings.fail("pytest: `" + *path + " --version` failed: " + line);
  } else if (is_old_pytest(line)) {
    findings.note(fmt::format("pytest: {} ({}); dagz is tested with {}.{} and newer", line, *path,
                              kOldestPytestMajor, kOldestPytestMinor));
  } else {
    findings.ok("pytest: " + line + " (" + *path + ")");
  }
}

// ---- this machine -----------------------------------------------------------------------------

void examine_clock(Findings& findings) {
  const WallTime now = mesh::wall_now();
  const int64_t year = report::civil_date(now).year;
  const std::string shown = "clock: it shows " + report::format_timestamp(now) + "Z";
  const Instant before = mesh::monotonic_now();
  poll(nullptr, 0, 2);
  if (mesh::monotonic_now() <= before) {
    findings.fail("clock: the monotonic clock stands still");
  } else if (year < kOldestYear || year > kLatestYear) {
    findings.fail(shown + ", which cannot be; set it");
  } else {
    findings.ok(shown);
  }
}

void examine_limits(Findings& findings) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const std::string count =
      limit.rlim_max == RLIM_INFINITY ? "any number of" : std::to_string(limit.rlim_max);
  const std::string text = "limits: this process may open " + count + " files";
  if (limit.rlim_max < kTooFewDescriptors) {
    findings.fail(text + "; raise `ulimit -Hn`");
  } else if (limit.rlim_max < kFewDescriptors) {
    findings.note(text + ", which is little for a large mesh; raise `ulimit -Hn`");
  } else {
    findings.ok(text);
  }
}

void examine_workers(Findings& findings) {
  const sched::MachineFacts facts = sched::read_machine();
  std::vector<std::string> reasons;
  if (facts.affinity_cpus > 0) reasons.push_back(report::counted(facts.affinity_cpus, "CPU"));
  if (facts.cpu_quota && facts.cpu_quota->period_us > 0) {
    reasons.push_back(
        fmt::format("a quota of {:.1f} CPUs", static_cast<double>(facts.cpu_quota->quota_us) /
                                                  static_cast<double>(facts.cpu_quota->period_us)));
  }
  if (facts.memory_available) {
    reasons.push_back(
        fmt::format("{:.1f} GiB of free memory",
                    static_cast<double>(*facts.memory_available) / (1024.0 * 1024.0 * 1024.0)));
  }
  const std::string text =
      fmt::format("workers: auto means {} here: {}", sched::auto_workers(facts), joined(reasons));
  if (facts.memory_available && *facts.memory_available < sched::kWorkerBytesGuess) {
    findings.note(text + ", which is little for a worker");
  } else {
    findings.ok(text);
  }
}

void examine_history(const std::string& directory, Findings& findings) {
  report::History history(directory);
  if (!history.exists()) {
    // Somebody will make the directory; the nearest one above it says whether that can be.
    std::error_code error;
    std::filesystem::path above(directory);
    while (!std::filesystem::exists(above, error) && above.has_parent_path() &&
           above != above.parent_path()) {
      above = above.parent_path();
    }
    if (is_writable(above.string())) {
      findings.ok("history: none yet; it will be " + history.path());
    } else {
      findings.note("history: " + above.string() +
                    " cannot be written: plans will not know how long tests take");
    }
    return;
  }
  const auto problem = history.open();
  for (const std::string& message : history.take_messages()) findings.note("history: " + message);
  if (problem) {
    findings.note("history: " + *problem);
  } else if (!is_writable(directory) || !is_writable(history.path())) {
    findings.note("history: " + history.path() + " can be read only: nothing will be kept");
  } else {
    findings.ok("history: " + history.path());
  }
}

}  // namespace

int doctor_command(const DoctorOptions& options) {
  const MeshAccess access = open_mesh_access(options.network, options.place);
  Findings findings(wants_color(options.place, access.run.platform != "local"));
  examine_ci(access.run, findings);
  findings.ok("job: the key is " + access.job);
  if (!access.error.empty()) {
    findings.fail("trust: " + access.error);
  } else {
    findings.ok(access.trust.description);  // begins with "trust: "
    examine_binding(options.network, access, findings);
    examine_sources(access, findings);
    examine_beacon(access, findings);
  }
  const auto pytest = sched::find_executable("pytest", sched::own_environment());
  examine_python(pytest, findings);
  examine_pytest(pytest, findings);
  examine_clock(findings);
  examine_limits(findings);
  examine_workers(findings);
  examine_history(options.place.state_dir, findings);
  if (access.error.empty()) examine_mesh(access, findings);
  if (!findings.complete()) return report::kExitInternalError;
  return findings.failed() ? report::kExitUnusableEnvironment : report::kExitPassed;
}

}  // namespace dagz
