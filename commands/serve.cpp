#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "commands/archivist.hpp"
#include "commands/commands.hpp"
#include "commands/console.hpp"
#include "commands/mesh_access.hpp"
#include "commands/observer.hpp"
#include "mesh/io/address.hpp"
#include "mesh/io/background.hpp"
#include "mesh/io/seal.hpp"
#include "mesh/io/system_clock.hpp"
#include "report/dashboard.hpp"
#include "report/exit_code.hpp"
#include "report/io/history.hpp"
#include "report/io/http_server.hpp"
#include "report/text.hpp"

// `dagz serve`: the dashboard, of the history and of the live job; with --join an archivist as
// well.

namespace dagz {
namespace {

constexpr uint32_t kJobsShown = 100;
constexpr std::size_t kJobsLoaded = 2;
// However many browsers ask, the mesh is asked once in this time.
constexpr Duration kLiveEvery = Duration::seconds(1);
// A page is not kept waiting for news, unless what is known is older than this.
constexpr Duration kLiveFresh = Duration::seconds(4);
constexpr Duration kLiveWaitMax = Duration::milliseconds(700);
constexpr Duration kLiveAnswersWithin = kAskWithin + Duration::seconds(1);

// The live job, asked for in the background while somebody wants to know.
class LiveJobs {
 public:
  LiveJobs(std::shared_ptr<const MeshAccess> access, const NetworkOptions& network)
      : access_(std::move(access)), network_(network) {}
  // A question that is under way ends with its own threads before the process does.
  ~LiveJobs() {
    if (asking_.busy()) wait(kLiveAnswersWithin);
  }
  LiveJobs(const LiveJobs&) = delete;
  LiveJobs& operator=(const LiveJobs&) = delete;

  std::shared_ptr<const report::JobSummary> latest() {
    take();
    const Instant now = mesh::monotonic_now();
    if (!asking_.busy() && now >= asked_at_ + kLiveEvery) {
      asked_at_ = now;
      asking_.start(
          [access = access_, network = network_] { return ask_live_job(*access, network); });
    }
    if (asking_.busy() && now >= known_at_ + kLiveFresh) {
      wait(kLiveWaitMax);
      take();
    }
    return job_;
  }

  std::string take_problem() { return std::exchange(problem_, {}); }

 private:
  void wait(Duration most) const {
    pollfd item{asking_.poll_fd(), POLLIN, 0};
    poll(&item, 1, static_cast<int>(most.ms()));
  }

  void take() {
    auto answer = asking_.take();
    if (!answer) return;
    known_at_ = mesh::monotonic_now();
    problem_ = std::move(answer->problem);
    job_ = answer->summary ? std::make_shared<const report::JobSummary>(std::move(*answer->summary))
                           : nullptr;
  }

  std::shared_ptr<const MeshAccess> access_;
  NetworkOptions network_;
  mesh::Background<LiveJob> asking_;
  // Long ago.
  Instant asked_at_{INT64_MIN / 2};
  Instant known_at_{INT64_MIN / 2};
  std::shared_ptr<const report::JobSummary> job_;
  std::string problem_;
};

class Source : public report::DashboardSource {
 public:
  // Of the live jobs it knows those that the archivist, if there is one, has joined; else that of
  // its own key.
  Source(const ServeOptions& options, std::shared_ptr<const MeshAccess> access,
         Archivist* archivist)
      : history_(options.place.state_dir), archivist_(archivist) {
    if (archivist != nullptr) return;
    if (access->error.empty()) {
      live_.emplace(std::move(access), options.network);
    } else {
      say("the live job is not shown: " + access->error);
    }
  }

  std::vector<report::JobRow> jobs() override {
    return history_.exists() ? checked(history_.list(kJobsShown)) : std::vector<report::JobRow>();
  }

  std::vector<std::shared_ptr<const report::JobSummary>> live() override {
    if (archivist_ != nullptr) return archivist_->live();
    const auto latest = live_ ? live_->latest() : nullptr;
    return latest ? std::vector{latest} : std::vector<std::shared_ptr<const report::JobSummary>>{};
  }

  std::shared_ptr<const report::JobSummary> load(const std::string& job) override {
    if (!history_.exists()) return nullptr;
    // One that is older than those of the list is known by its full id as well.
    const std::string id = full_id_of(job).value_or(job);
    const auto known = std::find_if(loaded_.begin(), loaded_.end(),
                                    [&](const auto& one) { return one->full_id == id; });
    if (known != loaded_.end()) {
      std::rotate(loaded_.begin(), known, known + 1);
      return loaded_.front();
    }
    auto summary = checked(history_.load(id));
    if (!summary) return nullptr;
    auto loaded = std::make_shared<const report::JobSummary>(std::move(*summary));
    // What is known of one that was interrupted may yet make way for the whole.
    if (loaded->status == report::JobStatus::kInterrupted) return loaded;
    loaded_.insert(loaded_.begin(), std::move(loaded));
    if (loaded_.size() > kJobsLoaded) loaded_.pop_back();
    return loaded_.front();
  }

  std::vector<report::TestRecord> records(const std::string& test) override {
    return history_.exists() ? checked(history_.test_records(test))
                             : std::vector<report::TestRecord>();
  }

  std::string take_problem() override {
    for (const std::string& message : history_.take_messages()) add_problem(message);
    if (live_) add_problem(live_->take_problem());
    return std::exchange(problem_, {});
  }

 private:
  // Jobs are kept by their full id.
  std::optional<std::string> full_id_of(const std::string& job) {
    for (const report::JobRow& row : jobs()) {
      if (job == "last" || job == row.short_id || job == row.full_id) return row.full_id;
    }
    return std::nullopt;
  }

  template <class T>
  T checked(report::Result<T> result) {
    if (result.problem) add_problem(*result.problem);
    return std::move(result.value);
  }

  void add_problem(const std::string& sentence) {
    if (!sentence.empty() && problem_.find(sentence) == std::string::npos) {
      problem_ += (problem_.empty() ? "" : "; ") + sentence;
    }
  }

  report::History history_;
  Archivist* archivist_;
  std::optional<LiveJobs> live_;
  std::vector<std::shared_ptr<const report::JobSummary>> loaded_;  // last used first
  std::string problem_;
};

std::string bracketed(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

// On loopback only those names lead here that a browser of this host may use.
std::vector<std::string> known_names(const std::string& host, const std::string& url) {
  if (!mesh::is_loopback_host(host)) return {};
  std::vector<std::string> names = {"localhost", "127.0.0.1", "::1", host};
  if (!url.empty()) {
    const std::string_view rest = std::string_view(url).substr(url.find("//") + 2);
    names.push_back(report::host_name_of(rest.substr(0, rest.find('/'))));
  }
  return names;
}

report::DashboardConfig dashboard_config() {
  report::DashboardConfig config;
  // The digest needs no key: any will do.
  const auto keyring = std::make_shared<mesh::Keyring>(mesh::Secret(32), "");
  const auto crypto = std::make_shared<mesh::SodiumCrypto>(*keyring);
  config.hash = [keyring, crypto](Bytes bytes) { return crypto->hash(bytes); };
  config.span_hash = mesh::short_digest;
  return config;
}

}  // namespace

int serve_command(const ServeOptions& options) {
  const int signals = open_signals();
  const auto access =
      std::make_shared<MeshAccess>(open_mesh_access(options.network, options.place));
  if (!options.join) access->trust.key = mesh::Secret();
  std::optional<Archivist> archivist;
  if (options.join) {
    if (!access->error.empty()) return fail(access->exit_code, access->error);
    archivist.emplace(access, options.network, options.place);
  }
  Source source(options, access, archivist ? &*archivist : nullptr);
  const auto& [host, port] = options.listen;
  std::unique_ptr<report::Dashboard> dashboard;
  report::HttpServer server([&](const report::HttpRequest& request) {
    return dashboard->answer(request, mesh::wall_now());
  });
  if (const std::string problem = server.listen(host, port); !problem.empty()) {
    say(bracketed(host) + ":" + std::to_string(port) + " " + problem +
        "; choose another address with --listen ADDR:PORT (port 0: any that is free)");
    close(signals);
    return options.listen_given ? report::kExitUsage : report::kExitUnusableEnvironment;
  }
  report::DashboardConfig config = dashboard_config();
  config.hosts = known_names(host, options.url);
  config.url = options.url.empty()
                   ? "http://" + bracketed(host) + ":" + std::to_string(server.port())
                   : options.url;
  dashboard = std::make_unique<report::Dashboard>(config, source);
  if (!mesh::is_loopback_host(host)) {
    say("whoever can reach " + config.url +
        " can read the names and output of all tests: there is no password");
  }
  const std::string behind = options.url.empty() ? ""
                                                 : ", listening on " + bracketed(host) + ":" +
                                                       std::to_string(server.port());
  if (archivist) {
    if (const std::string problem = archivist->start(); !problem.empty()) {
      return fail(report::kExitUnusableEnvironment, problem);
    }
  }
  std::printf("dashboard: %s/jobs%s\n", config.url.c_str(), behind.c_str());
  std::fflush(stdout);
  server.run_until(signals);
  close(signals);
  return report::kExitPassed;
}

}  // namespace dagz
