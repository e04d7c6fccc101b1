#include "tests/sim/world.hpp"

#include <algorithm>
#include <tuple>

#include "mesh/check.hpp"

namespace dagz::sim {

World::World(const Scenario& scenario) : scenario_(scenario), rng_(scenario.seed) {
  suite_ = draw_suite(rng_, scenario_.suite);
  processes_.resize(scenario_.nodes);
  for (uint32_t i = 0; i < scenario_.nodes; ++i) {
    Process& process = processes_[i];
    process.number = i;
    process.address = "node" + std::to_string(i) + ":1";
    process.wall_offset_ms = 1'700'000'000'000 + rng_.between(-2000, 2000);
    process.starts_at = Instant{} + Duration{rng_.between(0, scenario_.starts_within.ns)};
    process.crypto =
        std::make_unique<test::FakeCrypto>(scenario_.seed * 100'003 + i, scenario_.seed);
    by_address_[process.address] = i;
    by_address_["node" + std::to_string(i) + ":2"] = i;
    last_start_ = std::max(last_start_, process.starts_at);
    post(process.starts_at, i, Start{});
  }
  for (uint32_t i = 0; i < scenario_.leavers && i + 1 < scenario_.nodes; ++i) {
    Process& process = processes_[rng_.below(scenario_.nodes)];
    if (process.leaves_at) continue;
    process.leaves_at = process.starts_at + Duration::milliseconds(rng_.between(300, 6000));
    post(*process.leaves_at, process.number, Leave{});
  }
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

void World::start(Process& process) {
  NodeConfig config;
  config.profile.control_address = process.address;
  config.profile.bulk_address = "node" + std::to_string(process.number) + ":2";
  config.profile.host = "host" + std::to_string(process.number);
  config.profile.workers = static_cast<uint32_t>(rng_.between(1, scenario_.workers_max));
  config.vassal.workers = config.profile.workers;
  config.job_id = "job-" + std::to_string(scenario_.seed);
  config.short_id = "j0101.1";
  config.seed = rng_.next();
  process.node = std::make_unique<Node>(config, *process.crypto,
                                        std::vector<sched::KnownDuration>{}, moment(process));
  const uint32_t number = process.number;
  process.runner = std::make_unique<FakeRunner>(
      suite_, tries_, Duration::milliseconds(rng_.between(100, 1500)),
      [this, number](Duration after, sched::RunnerEvent event) {
        post(now_ + after, number, Runner{std::move(event)});
      },
      [this, number](Duration after, sched::Slot slot, uint64_t life) {
        post(now_ + after, number, Ran{slot, life});
      });
  process.runner->start();
  // Everybody knows the first two, or only the one before: discovery is the shell's business.
  for (uint32_t other = 0; other < scenario_.nodes; ++other) {
    const bool known =
        scenario_.chain_discovery ? other + 1 == number || other == number + 1 : other < 2;
    if (known && other != number) {
      process.node->candidate(moment(process), processes_[other].address);
    }
  }
}

bool World::step() {
  touched_ = nullptr;
  if (events_.empty()) return false;
  Event event = events_.top();
  events_.pop();
  now_ = event.at;
  if (now_ > Instant{} + scenario_.give_up_after) {
    timed_out_ = true;
    return false;
  }
  Process& process = processes_[event.process];
  if (process.exited) return true;
  if (!process.node && !std::holds_alternative<Start>(event.what)) return true;
  ++outcome_.events;
  trace(static_cast<uint64_t>(event.at.ns) ^ (uint64_t{event.process} << 48) ^
        (event.what.index() << 56));
  const Moment at = [&] { return moment(process); }();
  if (std::holds_alternative<Start>(event.what)) {
    start(process);
  } else if (std::holds_alternative<Wake>(event.what)) {
    if (process.wake_at != now_) return true;
    process.wake_at = Instant::never();
  } else if (std::holds_alternative<Leave>(event.what)) {
    process.node->interrupt(at);
  } else if (const auto* deliver = std::get_if<Deliver>(&event.what)) {
    process.node->receive(at, deliver->link, ends_.at(deliver->link).lane, deliver->bytes);
  } else if (const auto* up = std::get_if<Up>(&event.what)) {
    process.node->link_up(at, up->link);
  } else if (const auto* down = std::get_if<Down>(&event.what)) {
    process.node->link_down(at, down->link, down->loss);
  } else if (const auto* runner = std::get_if<Runner>(&event.what)) {
    process.node->runner_event(at, runner->event);
  } else if (const auto* ran = std::get_if<Ran>(&event.what)) {
    process.runner->test_ran(ran->slot, ran->life);
  }
  process.node->advance(moment(process));
  perform(process);
  touched_ = &process;
  return true;
}

void World::perform(Process& process) {
  NodeActions actions = process.node->take_actions();
  for (const auto& dialled : actions.links.dials) dial(process, dialled);
  for (const auto& send : actions.links.sends) carry(process, send);
  for (const mesh::LinkId link : actions.links.closes) close(link);
  for (const sched::RunnerCommand& command : actions.commands) process.runner->perform(command);
  if (!formed_) check_formation();
  if (process.node->end() && process.node->may_exit(now_)) {
    exit(process);
    return;
  }
  Instant next = process.node->next_deadline();
  if (process.node->end()) next = std::min(next, now_ + Duration::milliseconds(20));
  if (next <= now_) next = now_ + Duration::microseconds(10);
  if (next < process.wake_at) {
    process.wake_at = next;
    post(next, process.number, Wake{});
  }
}

void World::dial(Process& process, const mesh::LinkActions::Dial& dial) {
  const uint32_t target = by_address_.at(dial.address);
  const mesh::LinkId near = ++last_link_;
  const mesh::LinkId far = ++last_link_;
  ends_[near] = {process.number, dial.lane, far, target, true};
  ends_[far] = {target, dial.lane, near, process.number, true};
  process.node->dialled(moment(process), dial.address, dial.lane, near);
  const Process& other = processes_[target];
  if (!other.node || other.exited) {
    ends_[near].open = false;
    post(now_ + delay(), process.number, Down{near, mesh::LinkLoss::kRefused});
    return;
  }
  post(now_ + delay() + delay(), process.number, Up{near});
}

void World::carry(Process&, const mesh::LinkActions::Send& send) {
  const auto found = ends_.find(send.link);
  CHECK(found != ends_.end());
  const End& end = found->second;
  if (!end.open) return;
  ++outcome_.messages;
  outcome_.bytes += send.bytes.size();
  const Faults& faults = scenario_.faults;
  if (rng_.chance(faults.loss_permille, 1000)) return;
  const int copies = rng_.chance(faults.duplicate_permille, 1000) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    Buffer bytes = send.bytes;
    if (rng_.chance(faults.damage_permille, 1000)) {
      bytes[rng_.below(bytes.size())] ^= static_cast<uint8_t>(1 << rng_.below(8));
    }
    post(now_ + delay(), end.other_process, Deliver{end.other, std::move(bytes)});
  }
}

void World::close(mesh::LinkId link) {
  const auto found = ends_.find(link);
  if (found == ends_.end() || !found->second.open) return;
  End& near = found->second;
  End& far = ends_.at(near.other);
  near.open = far.open = false;
  post(now_, near.process, Down{link, mesh::LinkLoss::kClosed});
  post(now_ + delay(), far.process, Down{near.other, mesh::LinkLoss::kClosed});
}

void World::exit(Process& process) {
  process.end = process.node->end();
  process.node->say_goodbye(moment(process));
  NodeActions actions = process.node->take_actions();
  for (const auto& send : actions.links.sends) carry(process, send);
  process.exited = true;
  process.exited_at = now_;
  for (auto& [link, end] : ends_) {
    if (end.process != process.number || !end.open) continue;
    end.open = false;
    End& far = ends_.at(end.other);
    far.open = false;
    post(now_ + scenario_.faults.delay_max, far.process, Down{end.other, mesh::LinkLoss::kClosed});
  }
}

void World::check_formation() {
  if (now_ < last_start_) return;
  for (const Process& process : processes_) {
    if (!process.node || process.exited || process.leaves_at) return;
    if (process.node->membership().live_count() != processes_.size()) return;
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
