#include "tests/sim/world.hpp"

#include <algorithm>
#include <cstdio>
#include <tuple>

#include "mesh/check.hpp"
#include "mesh/planted.hpp"
#include "sched/test_hash.hpp"

namespace dagz::sim {
namespace {

class CredulousCrypto : public test::FakeCrypto {
 public:
  using FakeCrypto::FakeCrypto;
  bool verify(const PublicKey&, Bytes, const Signature&) const override { return true; }
  Hash authenticate(const SharedKey&, Bytes) const override { return {}; }
};

std::unique_ptr<Crypto> make_crypto(uint64_t number, uint64_t mesh) {
  if (is_planted(Planted::kBelievesTheUnsigned)) {
    return std::make_unique<CredulousCrypto>(number, mesh);
  }
  return std::make_unique<test::FakeCrypto>(number, mesh);
}

}  // namespace

World::World(const Scenario& scenario)
    : scenario_(scenario),
      rng_(scenario.seed),
      tries_(scenario.meshes),
      meshes_(scenario.meshes),
      last_crash_at_(scenario.meshes) {
  suite_ = scenario_.given ? scenario_.given->suite : draw_suite(rng_, scenario_.suite);
  if (scenario_.rerun) draw_memories();
  if (scenario_.slowest > 0) {
    for (const SuiteFile& file : suite_.files) {
      if (file.setup.ns > 0) history_.push_back({file.path, file.setup});
      for (const SuiteTest& test : file.tests) history_.push_back({test.id, test.duration});
    }
  }
  // Nodes that come back are processes of their own; the list must not move under its pointers.
  processes_.reserve(scenario_.nodes + scenario_.faults.crashes.size());
  for (uint32_t i = 0; i < scenario_.nodes; ++i) {
    const Instant drawn = Instant{} + Duration{rng_.between(0, scenario_.starts_within.ns)};
    const bool is_given = scenario_.given != nullptr && i < scenario_.given->starts.size();
    add_process(is_given ? scenario_.given->starts[i] : drawn, i % scenario_.meshes);
    last_start_ = std::max(last_start_, processes_[i].starts_at);
  }
  for (uint32_t i = 0; i < scenario_.leavers && i + 1 < scenario_.nodes; ++i) {
    Process& process = processes_[rng_.below(scenario_.nodes)];
    if (process.leaves_at || is_archivist(process)) continue;
    process.leaves_at = process.starts_at + Duration::milliseconds(rng_.between(300, 6000));
    post(*process.leaves_at, process.number, Leave{});
  }
  post_disasters();
}

void World::draw_memories() {
  Rng drawn(scenario_.seed);
  for (const auto& [id, verdict] : suite_.expected(0)) {
    if (!report::is_failure(verdict) && drawn.chance(3, 4)) passed_before_.insert(id);
  }
  memory_ = static_cast<Memory>(drawn.below(4));
  remembers_ = static_cast<uint32_t>(drawn.below(scenario_.nodes));
  if (memory_ != Memory::kDiffers) return;
  for (const auto& [id, verdict] : suite_.expected(0)) {
    if (!report::is_failure(verdict) && drawn.chance(1, 2)) passed_earlier_.insert(id);
  }
  // After an attempt that passed all run, whatever was before.
  if (drawn.chance(1, 3)) passed_before_.clear();
}

std::optional<sched::EarlierAttempt> World::memory_of(const Process& process) const {
  if (!scenario_.rerun || is_archivist(process)) return std::nullopt;
  const uint32_t number = process.number;
  bool before = true;
  bool earlier = false;
  switch (memory_) {
    case Memory::kAll:
      break;
    case Memory::kMost:
      before = number % 4 != 3;
      break;
    case Memory::kOne:
      before = number == remembers_;
      break;
    case Memory::kDiffers:
      before = number % 3 == remembers_ % 3;
      earlier = number % 3 == (remembers_ + 1) % 3;
      break;
  }
  if (!before && !earlier) return std::nullopt;
  sched::EarlierAttempt attempt{before ? "job/2" : "job/1",
                                before ? "j0101.2" : "j0101.1",
                                before ? kAttemptBeforeMs : 1'500'000'000'000,
                                {}};
  for (const std::string& id : before ? passed_before_ : passed_earlier_) {
    attempt.passed.insert(sched::test_hash(id));
  }
  return attempt;
}

void World::add_process(Instant starts_at, uint32_t mesh) {
  const auto number = static_cast<uint32_t>(processes_.size());
  Process& process = processes_.emplace_back();
  process.number = number;
  process.mesh = mesh;
  meshes_[mesh].push_back(&process);
  process.address = "node" + std::to_string(number) + ":1";
  process.wall_offset_ms = 1'700'000'000'000 + rng_.between(-2000, 2000);
  process.starts_at = starts_at;
  process.crypto =
      make_crypto(scenario_.seed * 100'003 + number, scenario_.seed + uint64_t{mesh} * 1'000'003);
  by_address_[process.address] = number;
  by_address_["node" + std::to_string(number) + ":2"] = number;
  links_of_.emplace_back();
  bytes_sent_.push_back(0);
  post(starts_at, number, Start{});
}

void World::post_disasters() {
  for (const Crash& crash : scenario_.faults.crashes) {
    post(crash.at, crash.process, End{});
    if (crash.restart_at) add_process(*crash.restart_at, processes_[crash.process].mesh);
  }
  for (const Pause& pause : scenario_.faults.pauses) {
    post(pause.at, pause.process, Stop{pause.until});
  }
}

// The first of the others that is left stays, so that somebody can tell what came of it.
void World::end_in_the_last_moment(const Process& closer) {
  Instant& last = last_crash_at_[closer.mesh];
  if (last != Instant{}) return;
  const LastMoment& moment = *scenario_.faults.last_moment;
  bool stays = true;
  for (const Process* other : meshes_[closer.mesh]) {
    if (other->exited) continue;
    const bool ends = other == &closer || rng_.chance(moment.others_percent, 100);
    if (other != &closer && std::exchange(stays, false)) continue;
    if (!ends) continue;
    const Instant at = now_ + Duration{rng_.between(0, moment.within.ns)};
    post(at, other->number, End{});
    last = std::max(last, at);
  }
}

Instant World::faults_over_at() const {
  const Instant last_crash = *std::max_element(last_crash_at_.begin(), last_crash_at_.end());
  return std::max({scenario_.faults.over_at(), last_crash, last_ended_by_test_});
}

bool World::is_walled(uint32_t one, uint32_t other) const {
  if (scenario_.alone && one != other) return true;
  const auto& walls = scenario_.faults.walls;
  return std::any_of(walls.begin(), walls.end(), [&](const Wall& wall) {
    return (wall.one == one && wall.other == other) || (wall.one == other && wall.other == one);
  });
}

bool World::is_cut(uint32_t from, uint32_t to) const {
  if (is_walled(from, to)) return true;
  const auto& cuts = scenario_.faults.cuts;
  return std::any_of(cuts.begin(), cuts.end(), [&](const Cut& cut) {
    if (now_ < cut.at || now_ >= cut.until) return false;
    const auto in_first = [&cut](uint32_t process) {
      return process < cut.in_first.size() && cut.in_first[process];
    };
    if (in_first(from) == in_first(to)) return false;
    return !cut.one_way || in_first(from);
  });
}

bool World::can_talk(const Process& one, const Process& other) const {
  if (!is_walled(one.number, other.number)) return true;
  return std::any_of(processes_.begin(), processes_.end(), [&](const Process& third) {
    return third.node && !third.exited && !is_walled(one.number, third.number) &&
           !is_walled(third.number, other.number);
  });
}

void World::post(Instant at, uint32_t process, What what) {
  events_.push({at, ++sequence_, process, std::move(what)});
}

Moment World::moment(const Process& process) const {
  return {now_, now_.ns / 1'000'000 + process.wall_offset_ms};
}

Duration World::delay() {
  return Duration{rng_.between(scenario_.faults.delay_min.ns, scenario_.faults.delay_max.ns)};
}

void World::trace(uint64_t value) {
  outcome_.trace = (outcome_.trace ^ value) * 0x0000'0100'0000'01b3 + 0x9e37'79b9;
}

// What a node says of itself is nearly right, or anything.
uint32_t World::measured_speed(uint32_t number, double speed) const {
  Rng drawn(scenario_.seed * 31 + number);
  if (drawn.chance(1, 4)) return static_cast<uint32_t>(drawn.below(10'000));
  return static_cast<uint32_t>(speed * static_cast<double>(drawn.between(900, 1100)));
}

void World::start(Process& process) {
  NodeConfig config;
  config.profile.control_address = process.address;
  config.profile.bulk_address = "node" + std::to_string(process.number) + ":2";
  config.profile.host = "host" + std::to_string(process.number);
  const GivenSuite* given = scenario_.given;
  config.profile.workers = static_cast<uint32_t>(rng_.between(1, scenario_.workers_max));
  if (given != nullptr) config.profile.workers = given->workers_each;
  if (is_archivist(process)) {
    config.role = mesh::Role::kArchivist;
    config.profile.workers = 0;
  }
  config.vassal.workers = config.profile.workers;
  config.mesh.full_mesh_max = scenario_.full_mesh_max;
  config.scheduler.max_fail = scenario_.max_fail;
  config.scheduler.max_fail_now = scenario_.max_fail_now;
  config.scheduler.strict_collection = scenario_.strict;
  config.scheduler.flaky_fails = scenario_.flaky_fails && process.number % 2 == 0;
  config.earlier = memory_of(process);
  config.report_may_be_left = scenario_.reports_left && !is_archivist(process);
  if (scenario_.slices) {
    config.scheduler.slice = sched::Slice{process.number % scenario_.nodes, scenario_.nodes};
  }
  config.job_id = "job-" + std::to_string(scenario_.seed);
  config.short_id = "j0101.1";
  config.seed = rng_.next();
  const uint32_t number = process.number;
  const Duration collect = Duration::milliseconds(given ? 100 : rng_.between(100, 1500));
  double speed = given ? given->speeds.at(number) : 1.0;
  if (scenario_.slowest > 1) speed = 1.0 / static_cast<double>(rng_.between(1, scenario_.slowest));
  config.profile.speed = given ? given->measured.at(number) : measured_speed(number, speed);
  process.node = std::make_unique<Node>(config, *process.crypto, given ? given->known : history_,
                                        moment(process));
  process.runner = std::make_unique<FakeRunner>(
      suite_, scenario_.shared, tries_[process.mesh], collect, speed,
      [this, number](Duration after, sched::RunnerEvent event) {
        post(now_ + after, number, Runner{std::move(event)});
      },
      [this, number](Duration after, sched::Slot slot, uint64_t life) {
        first_test_began_ = std::min(first_test_began_, now_);
        if (scenario_.given != nullptr) runs_.push_back({number, slot, now_, after});
        post(now_ + after, number, Ran{slot, life});
      },
      [this, number](const SuiteTest& test) {
        TakenDown& taken_down = taken_down_by_[test.id];
        ++taken_down.nodes;
        if (processes_[number].node->is_scheduler()) ++taken_down.schedulers;
        ++outcome_.faults["ended by a test"];
        last_ended_by_test_ = now_;
        post(now_, number, End{});
      });
  if (!is_archivist(process)) process.runner->start();
  tell_addresses(process);
}

// Everybody knows the first two of its mesh, or only its neighbours, or all where there are walls:
// discovery is the shell's business. Of other meshes it hears as well.
void World::tell_addresses(Process& process) {
  const uint32_t meshes = scenario_.meshes;
  const uint32_t number = process.number;
  const bool knows_all = number >= scenario_.nodes || !scenario_.faults.walls.empty();
  for (uint32_t other = process.mesh; other < scenario_.nodes; other += meshes) {
    const bool neighbour = other + meshes == number || other == number + meshes;
    const bool known = scenario_.chain_discovery ? neighbour : other < 2 * meshes;
    if (other != number && (known || knows_all)) {
      process.node->candidate(moment(process), processes_[other].address);
    }
  }
  for (uint32_t stranger = 1; stranger < std::min<uint32_t>(meshes, 4); ++stranger) {
    const uint32_t other = (number + stranger) % scenario_.nodes;
    if (processes_[other].mesh == process.mesh) continue;
    process.node->candidate(moment(process), processes_[other].address);
  }
}

bool World::step() {
  touched_ = nullptr;
  if (events_.empty()) return false;
  Event event = std::move(const_cast<Event&>(events_.top()));
  events_.pop();
  now_ = event.at;
  if (now_ > Instant{} + scenario_.give_up_after) {
    timed_out_ = true;
    return false;
  }
  Process& process = processes_[event.process];
  if (process.exited) return true;
  if (!process.node && !std::holds_alternative<Start>(event.what)) return true;
  if (now_ < process.paused_until && !std::holds_alternative<End>(event.what)) {
    const Instant resumed = process.paused_until;
    post(resumed, event.process, std::move(event.what));
    return true;
  }
  ++outcome_.events;
  trace(static_cast<uint64_t>(event.at.ns) ^ (uint64_t{event.process} << 48) ^
        (event.what.index() << 56));
  if (std::holds_alternative<Wake>(event.what)) {
    // Only the last one posted counts; one that had to wait for a process standing still, too.
    if (process.wake_at > now_) return true;
    process.wake_at = Instant::never();
  }
  look_for_report(process);
  happen(process, event.what);
  if (process.exited) return true;
  process.node->advance(moment(process));
  perform(process);
  touched_ = &process;
  return true;
}

// All nodes of a mesh give the job one id, but each its own start.
void World::look_for_report(Process& process) {
  if (!process.node || !process.node->seeks_report(now_)) return;
  const auto left =
      reports_left_.find({process.mesh, process.node->job().named()->started_wall_ms});
  std::optional<report::JobSummary> found;
  if (left != reports_left_.end()) found = left->second;
  process.node->sought_report(moment(process), std::move(found));
}

void World::leave_report(const Process& process) {
  using report::CloseReason;
  const NodeEnd& end = *process.end;
  const bool whole = end.reason == CloseReason::kComplete || end.reason == CloseReason::kStopped ||
                     end.reason == CloseReason::kDeadline || end.reason == CloseReason::kFailed;
  if (end.kind != NodeEnd::Kind::kClosed || !whole) return;
  reports_left_.try_emplace({process.mesh, end.summary.started.ms}, end.summary);
}

void World::happen(Process& process, const What& what) {
  const Moment at = moment(process);
  if (std::holds_alternative<Start>(what)) {
    start(process);
  } else if (std::holds_alternative<Leave>(what)) {
    ++outcome_.faults["leave"];
    process.node->interrupt(at);
  } else if (std::holds_alternative<End>(what)) {
    ++outcome_.faults["crash"];
    process.crashed = process.exited = true;
    process.exited_at = now_;
    hang_up(process);
  } else if (const auto* stop = std::get_if<Stop>(&what)) {
    ++outcome_.faults["pause"];
    process.paused_until = stop->until;
    post(stop->until, process.number, Wake{});
  } else if (const auto* deliver = std::get_if<Deliver>(&what)) {
    if (ends_.at(deliver->link).down) return;
    process.node->receive(at, deliver->link, ends_.at(deliver->link).lane, deliver->bytes);
  } else if (const auto* up = std::get_if<Up>(&what)) {
    process.node->link_up(at, up->link);
  } else if (const auto* down = std::get_if<Down>(&what)) {
    ends_.at(down->link).down = true;
    process.node->link_down(at, down->link, down->loss);
  } else if (const auto* runner = std::get_if<Runner>(&what)) {
    process.node->runner_event(at, runner->event);
  } else if (const auto* ran = std::get_if<Ran>(&what)) {
    last_test_ended_ = now_;
    process.runner->test_ran(ran->slot, ran->life);
  }
}

void World::perform(Process& process) {
  NodeActions actions = process.node->take_actions();
  for (const std::string& notice : actions.notices) narrate(process, notice);
  for (const auto& dialled : actions.links.dials) dial(process, dialled);
  for (const auto& send : actions.links.sends) carry(process, send);
  for (const mesh::LinkId link : actions.links.closes) close(link);
  for (const sched::RunnerCommand& command : actions.commands) {
    if (std::holds_alternative<sched::RestartRunner>(command)) ++outcome_.faults["lost runner"];
    process.runner->perform(command);
  }
  if (!formed_) check_formation();
  const report::JobState& job = process.node->job();
  if (scenario_.faults.last_moment && job.closed() && job.closed_by() == process.node->id()) {
    end_in_the_last_moment(process);
  }
  if (process.node->end() && process.node->may_exit(now_)) {
    exit(process);
    return;
  }
  Instant next = process.node->next_deadline();
  if (process.node->end()) next = std::min(next, now_ + Duration::milliseconds(20));
  process.spins = next <= now_ ? process.spins + 1 : 0;
  if (next <= now_) next = now_ + Duration::microseconds(10);
  if (next < process.wake_at) {
    process.wake_at = next;
    post(next, process.number, Wake{});
  }
}

void World::dial(Process& process, const mesh::LinkActions::Dial& dial) {
  const uint32_t target = by_address_.at(dial.address);
  const mesh::LinkId near = ends_.size();
  const mesh::LinkId far = near + 1;
  ends_.push_back({process.number, dial.lane, far, target, true});
  ends_.push_back({target, dial.lane, near, process.number, true});
  links_of_[process.number].push_back(near);
  links_of_[target].push_back(far);
  process.node->dialled(moment(process), dial.address, dial.lane, near);
  const Process& other = processes_[target];
  if (is_cut(process.number, target) || is_cut(target, process.number)) return;
  if (!other.node || other.exited) {
    ends_[near].open = false;
    post(now_ + delay(), process.number, Down{near, mesh::LinkLoss::kRefused});
    return;
  }
  post(now_ + delay() + delay(), process.number, Up{near});
}

void World::carry(Process& process, const mesh::LinkActions::Send& send) {
  const LinkEnd& end = ends_.at(send.link);
  if (!end.open) return;
  ++outcome_.messages;
  outcome_.bytes += send.bytes.size();
  bytes_sent_[process.number] += send.bytes.size();
  const Faults& faults = scenario_.faults;
  if (is_cut(process.number, end.other_process)) {
    ++outcome_.faults["cut off"];
    return;
  }
  if (rng_.chance(faults.loss_permille, 1000)) {
    ++outcome_.faults["loss"];
    return;
  }
  const int copies = rng_.chance(faults.duplicate_permille, 1000) ? 2 : 1;
  if (copies == 2) ++outcome_.faults["duplicate"];
  for (int i = 0; i < copies; ++i) {
    Buffer bytes = send.bytes;
    if (rng_.chance(faults.damage_permille, 1000)) {
      ++outcome_.faults["damage"];
      bytes[rng_.below(bytes.size())] ^= static_cast<uint8_t>(1 << rng_.below(8));
    }
    post(now_ + delay(), end.other_process, Deliver{end.other, std::move(bytes)});
  }
}

void World::close(mesh::LinkId link) {
  if (link >= ends_.size() || !ends_[link].open) return;
  LinkEnd& near = ends_[link];
  LinkEnd& far = ends_.at(near.other);
  near.open = far.open = false;
  post(now_, near.process, Down{link, mesh::LinkLoss::kClosed});
  post(now_ + delay(), far.process, Down{near.other, mesh::LinkLoss::kClosed});
}

void World::narrate(const Process& process, const std::string& what) const {
  if (!scenario_.narrated) return;
  std::printf("  %10.3f ms node %u: %s\n", static_cast<double>((now_ - Instant{}).us()) / 1000.0,
              process.number, what.c_str());
}

void World::exit(Process& process) {
  narrate(process, "ends");
  process.end = &*process.node->end();
  if (scenario_.reports_left) leave_report(process);
  process.node->say_goodbye(moment(process));
  NodeActions actions = process.node->take_actions();
  for (const auto& send : actions.links.sends) carry(process, send);
  process.exited = true;
  process.exited_at = now_;
  hang_up(process);
}

void World::hang_up(Process& process) {
  for (const mesh::LinkId link : links_of_[process.number]) {
    LinkEnd& end = ends_[link];
    if (!end.open) continue;
    end.open = false;
    LinkEnd& far = ends_.at(end.other);
    far.open = false;
    post(now_ + scenario_.faults.delay_max, far.process, Down{end.other, mesh::LinkLoss::kClosed});
  }
}

void World::check_formation() {
  if (now_ < last_start_) return;
  for (const Process& process : processes_) {
    if (process.crashed) continue;
    if (!process.node || process.exited || process.leaves_at) return;
    if (process.node->membership().live_count() != meshes_[process.mesh].size()) return;
  }
  formed_ = true;
  outcome_.formed_after = now_ - last_start_;
}

Outcome World::outcome() const {
  Outcome outcome = outcome_;
  outcome.virtual_time = now_ - Instant{};
  for (const Process& process : processes_) {
    if (!process.end || process.end->kind != NodeEnd::Kind::kClosed) continue;
    outcome.steals = process.end->summary.steals;
    outcome.job_time = process.end->summary.duration;
    outcome.ideal = process.end->summary.ideal;
  }
  return outcome;
}

}  // namespace dagz::sim
