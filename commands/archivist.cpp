#include "commands/archivist.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "commands/console.hpp"
#include "mesh/io/node_directory.hpp"
#include "mesh/io/system_clock.hpp"
#include "report/text.hpp"

namespace dagz {
namespace {

// A run that is over sooner than this may be missed.
constexpr Duration kLookEvery = Duration::milliseconds(250);
// Where an address does not say whose it is: it may be that of a node that is about to end.
constexpr Duration kAgainAfter = Duration::seconds(5);
constexpr Duration kForgetAfter = Duration::seconds(600);
constexpr std::size_t kJoinedMax = 256;  // each has sockets and two threads of its own
constexpr std::size_t kKnownMax = 16'384;
// However many browsers ask, a job is summed up once in this time.
constexpr Duration kLiveEvery = Duration::seconds(1);
constexpr std::chrono::milliseconds kLiveWaitMax{700};

std::vector<std::string> directories_of(const MeshAccess& access) {
  std::vector<std::string> directories;
  if (access.discovery.use_host_directory) directories.push_back(mesh::default_host_directory());
  if (!access.discovery.rendezvous_dir.empty()) {
    directories.push_back(access.discovery.rendezvous_dir);
  }
  return directories;
}

}  // namespace

Archivist::Archivist(std::shared_ptr<const MeshAccess> access, const NetworkOptions& network,
                     const PlaceOptions& place)
    : access_(std::move(access)),
      network_(network),
      history_(place.state_dir, report::HistoryLimits::none()),
      own_run_(*access_->keyring, looking_only(access_->discovery)),
      woken_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!mesh::is_of_many_runs(access_->trust.source)) return;
  watch_ = std::make_shared<mesh::RunWatch>(
      std::shared_ptr<const mesh::Secret>(access_, &access_->trust.key), directories_of(*access_));
}

Archivist::~Archivist() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stops_ = true;
  }
  eventfd_write(woken_.get(), 1);
  thread_.join();
}

std::string Archivist::start() {
  if (auto problem = history_.open()) return *problem;
  const Moment at = moment_now();
  if (std::string error = own_run_.start({at.wall_ms, {}}, at.now); !error.empty()) return error;
  say(access_->trust.description);
  for (const std::string& note : own_run_.notes()) say(note);
  say(watch_ ? "archivist: every run under this root that is seen from here is joined and kept"
             : "archivist: the run of job " + report::visible(access_->job) +
                   " is joined and kept; others have keys of their own (a secret would be one for "
                   "all)");
  // Signals are for the thread that serves.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::string error;
  try {
    thread_ = std::thread([this] { loop(); });
  } catch (const std::system_error& failure) {
    error = std::string("no thread for the archivist: ") + failure.what();
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return error;
}

std::vector<std::shared_ptr<const report::JobSummary>> Archivist::live() {
  std::unique_lock lock(mutex_);
  if (mesh::monotonic_now() >= live_at_ + kLiveEvery) {
    wanted_ = true;
    eventfd_write(woken_.get(), 1);
    shown_.wait_for(lock, kLiveWaitMax, [this] { return !wanted_; });
  }
  return live_;
}

// ---- the archivist's own thread ---------------------------------------------------------------

void Archivist::loop() {
  for (;;) {
    const Instant now = mesh::monotonic_now();
    {
      const std::lock_guard lock(mutex_);
      if (stops_) break;
    }
    watch(now);
    Instant next = std::min(look_at_, own_run_.next_deadline());
    for (auto& [identity, run] : runs_) {
      if (!run.joined) continue;
      run.joined->turn();
      if (run.joined->may_leave()) {
        leave(now, run);
      } else {
        next = std::min(next, run.joined->next_deadline());
      }
    }
    forget_runs(now);
    show_live(now);
    wait(next);
  }
  for (auto& [identity, run] : runs_) {
    if (run.joined) run.joined->leave();
  }
}

void Archivist::watch(Instant now) {
  std::vector<mesh::Candidate> candidates;
  own_run_.poll(now, mesh::wall_now(), candidates);
  for (const mesh::Candidate& candidate : candidates) {
    sighted(now, access_->identity, candidate.node_id);
  }
  if (const auto seen = looking_.take()) {
    for (const mesh::RunSighting& one : *seen) sighted(now, one.identity, one.node);
  }
  if (!watch_) look_at_ = Instant::never();
  if (now < look_at_ || looking_.busy()) return;
  look_at_ = now + kLookEvery;
  looking_.start([watch = watch_] { return watch->look(); });
}

// Whoever belonged to a job that is over may stay for a moment, and a late node comes to nothing
// but that job.
void Archivist::sighted(Instant now, const std::string& identity, const NodeId& node) {
  Run& run = runs_[identity];
  run.seen_at = now;
  const bool is_new = node.is_zero() ? now >= run.left_at + kAgainAfter : !run.known.contains(node);
  if (run.joined || !is_new) {
    remember(run, node);
    return;
  }
  const auto joined = std::count_if(runs_.begin(), runs_.end(),
                                    [](const auto& one) { return one.second.joined != nullptr; });
  if (static_cast<std::size_t>(joined) < kJoinedMax) {
    remember(run, node);
    join(run, identity);
  } else if (!std::exchange(full_told_, true)) {
    say("more than " + std::to_string(kJoinedMax) + " runs at a time: the rest is not kept");
  }
}

void Archivist::remember(Run& run, const NodeId& node) {
  if (node.is_zero()) return;
  // Whoever is still there is met once more, for nothing.
  if (run.known.size() >= kKnownMax) run.known.clear();
  run.known.insert(node);
}

void Archivist::join(Run& run, const std::string& identity) {
  run.joined = std::make_unique<ArchivedRun>(*access_, identity);
  const std::string error = run.joined->start(choose_binding(network_, *access_));
  if (error.empty()) return;
  say("a run could not be joined: " + error);
  run.joined.reset();
  run.left_at = mesh::monotonic_now();
}

void Archivist::leave(Instant now, Run& run) {
  const NodeEnd& end = *run.joined->end();
  for (const NodeId& id : run.joined->members()) remember(run, id);
  if (!end.summary.full_id.empty()) keep(end.summary);
  run.joined->leave();
  run.joined.reset();
  run.left_at = now;
}

void Archivist::keep(const report::JobSummary& summary) {
  const auto problem = history_.record(summary, mesh::wall_now());
  for (const std::string& message : history_.take_messages()) say(message);
  const std::string job = report::visible(summary.short_id) + " (" +
                          report::visible(summary.full_id) + ", " +
                          std::string(report::to_string(summary.status)) + ")";
  say(problem ? "job " + job + " could not be kept: " + *problem : "kept job " + job);
}

void Archivist::forget_runs(Instant now) {
  std::erase_if(runs_, [&](const auto& one) {
    return !one.second.joined && now >= one.second.seen_at + kForgetAfter;
  });
}

void Archivist::show_live(Instant now) {
  {
    const std::lock_guard lock(mutex_);
    if (!wanted_) return;
  }
  std::vector<std::shared_ptr<const report::JobSummary>> summaries;
  for (const auto& [identity, run] : runs_) {
    if (!run.joined) continue;
    if (auto summary = run.joined->summary()) summaries.push_back(std::move(summary));
  }
  std::sort(summaries.begin(), summaries.end(),
            [](const auto& a, const auto& b) { return a->started > b->started; });
  const std::lock_guard lock(mutex_);
  live_ = std::move(summaries);
  live_at_ = now;
  wanted_ = false;
  shown_.notify_all();
}

void Archivist::wait(Instant until) {
  std::vector<pollfd> items{
      {woken_.get(), POLLIN, 0}, {own_run_.poll_fd(), POLLIN, 0}, {looking_.poll_fd(), POLLIN, 0}};
  for (const auto& [identity, run] : runs_) {
    if (run.joined) run.joined->append_poll_items(items);
  }
  // Rounded up: waking just before a deadline would only mean waiting again.
  const int64_t ms = (until - mesh::monotonic_now()).ns / 1'000'000 + 1;
  poll(items.data(), items.size(), static_cast<int>(std::clamp<int64_t>(ms, 0, 1000)));
  eventfd_t ignored = 0;
  eventfd_read(woken_.get(), &ignored);
}

}  // namespace dagz
