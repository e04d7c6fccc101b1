#include "tests/sim/checkers.hpp"

#include <algorithm>
#include <string_view>

#include "report/exit_code.hpp"
#include "report/job_report.hpp"

namespace dagz::sim {
namespace {

constexpr uint32_t kSpinsMax = 50;
constexpr Duration kNumberedWithin = Duration::seconds(5);
// What the fold says of a node that was lost with a test.
constexpr std::string_view kLost = "its node was lost while it ran";

std::string report_text(const report::JobSummary& summary, const Crypto& crypto) {
  const auto hash = [&crypto](Bytes bytes) { return crypto.hash(bytes); };
  return report::to_text(report::format_job_report(summary, hash), false);
}

// What a node that is not done waits for.
std::string situation(const Process& process) {
  std::string text = "node " + std::to_string(process.number);
  if (!process.node) return text + " not started";
  const Node& node = *process.node;
  const report::JobState& job = node.job();
  text += node.is_scheduler() ? " (scheduler)" : "";
  text += " sees " + std::to_string(node.membership().live_count()) + ", term " +
          std::to_string(node.election().claim().term) + " of " +
          short_name(node.election().claim().scheduler.node) + ", " +
          std::to_string(job.counts().unfinished) + " of " + std::to_string(job.counts().total) +
          " unfinished, running " + std::to_string(node.vassal().running()) +
          (node.vassal().is_draining() ? ", draining" : "") +
          (node.vassal().is_drained() ? ", drained" : "") + (job.closed() ? ", closed" : "");
  for (const report::NodeState& other : job.nodes()) {
    text += " [" + short_name(other.id) + (other.enlisted ? " enlisted" : "") +
            (other.collected ? " collected" : "") + (other.drained.exists() ? " drained" : "") +
            (other.departed ? " departed" : "") + "]";
  }
  std::size_t unknown = 0;
  for (const auto& [key, version] : job.files()) {
    if (!version.known()) ++unknown;
  }
  if (unknown > 0) text += " " + std::to_string(unknown) + " files without names";
  std::size_t shown = 0;
  for (const report::Test& test : job.tests()) {
    if (report::bucket_of(test.verdict) != report::Bucket::kUnfinished || ++shown > 2) continue;
    text += " <" + test.id + " " + std::string(report::to_string(test.verdict));
    for (const report::Assignment& one : test.assignments) {
      text += " " + short_name(job.nodes()[one.node].id) + ":" + std::to_string(one.grants) + "-" +
              std::to_string(one.gave_up) + "-" + std::to_string(one.finished);
    }
    text += ">";
  }
  return text;
}

// Which of the mesh a report calls so.
const Process* named(const std::vector<const Process*>& mesh, const report::JobSummary& summary,
                     const std::string& name) {
  const auto node = std::find_if(summary.nodes.begin(), summary.nodes.end(),
                                 [&name](const auto& one) { return one.name == name; });
  const auto process = std::find_if(mesh.begin(), mesh.end(), [&](const Process* one) {
    return one->node && node != summary.nodes.end() && short_name(one->node->id()) == node->id;
  });
  return process == mesh.end() ? nullptr : *process;
}

// Three nodes that had a good test may have been lost by chance (sched/scheduler_poison.cpp), as
// far as whoever condemned it can know: they crashed, or, cut off from it, closed a job of their
// own and went. The first of them need not have said that it had begun the test, and is not in the
// report.
bool is_blamed_by_chance(const std::vector<const Process*>& mesh, const report::JobSummary& summary,
                         const report::TestSummary& test) {
  const auto closed = [](const Process* one) {
    return one->end && one->end->kind == NodeEnd::Kind::kClosed;
  };
  const auto own = std::find_if(mesh.begin(), mesh.end(), [&](const Process* one) {
    return closed(one) && &one->end->summary == &summary;
  });
  const auto is_gone = [&](const Process* one) {
    return one->crashed || (closed(one) && one->end->closed_by != (*own)->end->closed_by);
  };
  const report::JobState& job = (*own)->node->job();
  const auto lost_with = std::find_if(job.tests().begin(), job.tests().end(),
                                      [&test](const auto& one) { return one.id == test.id; });
  const auto had_it = [&](const Process* one) {
    return std::any_of(lost_with->assignments.begin(), lost_with->assignments.end(),
                       [&](const report::Assignment& assigned) {
                         return assigned.held() && job.nodes()[assigned.node].id == one->node->id();
                       });
  };
  const auto lost = std::count_if(mesh.begin(), mesh.end(), [&](const Process* one) {
    return one->node && is_gone(one) && had_it(one);
  });
  if (lost < 3) return false;
  const auto is_loss = [](const report::AttemptSummary& one) {
    return one.outcome == report::Outcome::kCrashed && one.message == kLost;
  };
  const auto has_gone = [&](const report::AttemptSummary& loss) {
    const Process* node = named(mesh, summary, loss.node);
    return node != nullptr && is_gone(node);
  };
  const auto& all = test.attempts;
  return std::any_of(all.begin(), all.end(), is_loss) &&
         std::all_of(all.begin(), all.end(),
                     [&](const auto& one) { return !is_loss(one) || has_gone(one); });
}

}  // namespace

void Checkers::violated(const World& world, const Process* process, const std::string& what) {
  std::string text = "at " + std::to_string(world.now().ns / 1'000'000) + " ms";
  if (process != nullptr) text += ", node " + std::to_string(process->number);
  violations_.push_back(text + ": " + what);
}

void Checkers::after_event(const World& world, const Process& touched) {
  if (!touched.node) return;
  check_books(world, touched);
  check_fence(world, touched);
  check_scheduler(world, touched);
  check_archivist(world, touched);
  check_incarnations(world, touched);
  check_news(world, touched);
  check_rest(world, touched);
  check_numbers(world, touched);
  check_idleness(world, touched.mesh);
  if (world.scenario().suite.grouped_percent > 0) is_split(world, touched.mesh);
  if (world.scenario().suite.marked_percent == 0) return;
  check_load(world, touched);
  check_mutexes(world, touched.mesh);
}

// A deadline that has passed and is never moved would keep a core busy for nothing.
void Checkers::check_rest(const World& world, const Process& process) {
  if (process.spins == kSpinsMax) violated(world, &process, "turns and turns without a rest");
}

// Heavy tests have the room that they ask for.
void Checkers::check_load(const World& world, const Process& process) {
  const auto capacity = static_cast<uint32_t>(process.node->membership().self().profile.workers);
  uint32_t busy = 0;
  for (const SuiteTest* test : process.runner->running()) {
    busy += test->exclusive ? capacity : std::min(test->weight, capacity);
  }
  if (busy > capacity) violated(world, &process, "runs more at a time than its workers bear");
}

// Two meshes that are about to become one know nothing of each other's work.
bool Checkers::is_split(const World& world, uint32_t mesh) {
  const mesh::Claim* claim = nullptr;
  for (const Process* process : world.mesh(mesh)) {
    if (!process->node || process->exited) continue;
    const mesh::Claim& own = process->node->election().claim();
    if (!own.exists()) continue;
    if (own.term > 1 || (claim != nullptr && *claim != own)) split_.insert(mesh);
    claim = &own;
  }
  return split_.contains(mesh);
}

// Of one mutex one runs at a time, as long as nobody is lost or cut off and the nodes have met
// before they ran anything.
void Checkers::check_mutexes(const World& world, uint32_t mesh) {
  const Scenario& scenario = world.scenario();
  const Faults& faults = scenario.faults;
  if (scenario.loses_nodes() || !faults.cuts.empty() || !faults.pauses.empty()) return;
  if (scenario.chain_discovery || scenario.leavers > 0 || is_split(world, mesh)) return;
  std::map<std::string, const Process*> holders;
  for (const Process* process : world.mesh(mesh)) {
    if (!process->node || process->exited) continue;
    for (const SuiteTest* test : process->runner->running()) {
      if (test->mutex.empty()) continue;
      const auto [holder, first] = holders.try_emplace(test->mutex, process);
      if (!first) violated(world, process, "runs a test whose mutex " + test->mutex + " is held");
    }
  }
}

// So do the tests of one named group run on one worker, as long as its process lives.
void Checkers::check_groups(const World& world, const Process& process) {
  const Scenario& scenario = world.scenario();
  const Faults& faults = scenario.faults;
  if (scenario.suite.grouped_percent == 0 || split_.contains(process.mesh)) return;
  if (scenario.slices || (scenario.rerun && world.memory() == World::Memory::kDiffers)) return;
  if (scenario.loses_nodes() || !faults.cuts.empty() || !faults.pauses.empty()) return;
  if (scenario.chain_discovery || scenario.leavers > 0 || faults.last_moment) return;
  std::map<std::string, std::string> groups;
  for (const SuiteFile& file : world.suite().files) {
    for (const SuiteTest& test : file.tests) groups[test.id] = test.group;
  }
  std::map<std::string, const report::AttemptSummary*> first_of;
  const auto lost_a_worker = [&](const report::AttemptSummary& attempt) {
    const Process* node = named(world.mesh(process.mesh), process.end->summary, attempt.node);
    return node != nullptr && node->runner->has_lost_a_worker();
  };
  for (const report::TestSummary& test : process.end->summary.tests) {
    const std::string& group = groups[test.id];
    // The last try of a test goes to another node.
    if (group.empty() || test.attempts.size() != 1) continue;
    const report::AttemptSummary& one = test.attempts.front();
    const report::AttemptSummary& other = *first_of.try_emplace(group, &one).first->second;
    if (other.worker == one.worker && other.node == one.node) continue;
    if (lost_a_worker(one) || lost_a_worker(other)) continue;
    violated(world, &process,
             group + " ran on worker " + std::to_string(other.worker) + " of " + other.node +
                 " and on " + std::to_string(one.worker) + " of " + one.node);
    return;
  }
}

// No two workers bear one number at a time, but for what they began before all nodes had followed
// one scheduler for a while.
void Checkers::check_numbers(const World& world, const Process& touched) {
  auto& began = began_[touched.number];
  std::map<uint64_t, Instant> still;
  for (const FakeRunner::Run& one : touched.runner->busy()) {
    const auto before = began.find(one.run);
    still[one.run] = before == began.end() ? world.now() : before->second;
  }
  began = std::move(still);
  std::optional<mesh::Claim> agreed;
  for (const Process* process : world.mesh(touched.mesh)) {
    if (!process->node || process->exited) continue;
    const mesh::Claim& claim = process->node->election().claim();
    if (agreed && *agreed != claim) {
      agreed_since_.erase(touched.mesh);
      return;
    }
    agreed = claim;
  }
  if (!agreed) return;
  auto& [claim, since] =
      agreed_since_.try_emplace(touched.mesh, *agreed, world.now()).first->second;
  if (claim != *agreed) since = world.now();
  claim = *agreed;
  const Instant settled = std::max(since, world.faults_over_at()) + kNumberedWithin;
  std::set<uint32_t> numbers;
  for (const Process* process : world.mesh(touched.mesh)) {
    if (!process->node || process->exited) continue;
    for (const FakeRunner::Run& one : process->runner->busy()) {
      const auto begin = began_[process->number].find(one.run);
      const bool begins_later = begin == began_[process->number].end();
      if (begins_later || begin->second < settled) continue;
      if (numbers.insert(one.number).second) continue;
      violated(world, process, "two workers bear the number " + std::to_string(one.number));
    }
  }
}

// In a report nodes and workers are told apart by their numbers.
void Checkers::check_names(const World& world, const Process& process) {
  const report::JobSummary& job = process.end->summary;
  std::set<std::string> names;
  for (const report::NodeSummary& node : job.nodes) {
    if (!names.insert(node.name).second) violated(world, &process, "two nodes are " + node.name);
  }
  std::map<uint32_t, std::string> nodes;
  for (const report::TestSummary& test : job.tests) {
    for (const report::AttemptSummary& attempt : test.attempts) {
      const std::string& node = nodes.try_emplace(attempt.worker, attempt.node).first->second;
      if (node == attempt.node) continue;
      violated(world, &process,
               "worker " + std::to_string(attempt.worker) + " is of " + node + " and of " +
                   attempt.node);
      return;
    }
  }
}

// Finished and unfinished make up the catalog.
void Checkers::check_books(const World& world, const Process& process) {
  const report::Counts& counts = process.node->job().counts();
  const uint64_t sum = counts.passed + counts.failed + counts.flaky + counts.errors +
                       counts.skipped + counts.redundant + counts.unfinished;
  if (sum != counts.total ||
      counts.total + process.node->job().collections() != process.node->job().tests().size()) {
    violated(world, &process, "counts do not add up to the catalog");
  }
  if (counts.total > world.suite().size()) violated(world, &process, "invented tests");
}

// No work is taken under an older (lineage, term) than was taken before.
void Checkers::check_fence(const World& world, const Process& process) {
  const mesh::Claim& fence = process.node->fence();
  mesh::Claim& before = fences_[process.number];
  if (before.exists() && mesh::is_stale(fence, before)) {
    violated(world, &process, "took work under an older claim");
  }
  before = fence;
}

// One node acts per (lineage, term), once they can hear each other: of two successors one gives
// way.
void Checkers::check_scheduler(const World& world, const Process& process) {
  if (!process.node->is_scheduler() || process.node->end()) return;
  const mesh::Claim& claim = process.node->election().claim();
  const auto& mesh = world.mesh(process.mesh);
  const auto rival = std::find_if(mesh.begin(), mesh.end(), [&](const Process* one) {
    const Process& other = *one;
    if (&other == &process || !other.node || other.exited || other.node->end()) return false;
    if (!world.can_talk(process, other)) return false;
    const mesh::Claim& theirs = other.node->election().claim();
    return other.node->is_scheduler() && theirs.lineage == claim.lineage &&
           theirs.term == claim.term;
  });
  if (rival == mesh.end()) {
    rivals_since_.erase(process.number);
    return;
  }
  const Instant since = rivals_since_.try_emplace(process.number, world.now()).first->second;
  const Instant patience = std::max(since, world.faults_over_at());
  if (world.now() > patience + Duration::seconds(10)) {
    violated(world, &process, "two schedulers act in one term");
  }
}

// It watches: whoever hands out work or writes a log is one of the others.
void Checkers::check_archivist(const World& world, const Process& process) {
  if (!world.is_archivist(process)) return;
  const Node& node = *process.node;
  if (node.is_scheduler()) violated(world, &process, "an archivist schedules");
  if (node.ledger().length(node.id()) > 0) violated(world, &process, "an archivist writes a log");
}

// Where nobody is lost or cut off, an archivist that is there in time has the whole job.
void Checkers::check_kept(const World& world, const Process& process) {
  const Scenario& scenario = world.scenario();
  const Faults& faults = scenario.faults;
  if (scenario.loses_nodes() || !faults.cuts.empty() || !faults.pauses.empty()) return;
  if (!faults.walls.empty() || faults.last_moment || scenario.alone) return;
  Instant first_end = Instant::never();
  for (const Process* other : world.mesh(process.mesh)) {
    if (other != &process) first_end = std::min(first_end, other->exited_at);
  }
  const Duration meeting = Duration::seconds(scenario.chain_discovery ? 30 : 5);
  if (first_end < process.starts_at + meeting) return;
  if (process.end->kind != NodeEnd::Kind::kClosed) {
    violated(world, &process, "an archivist has not got the end of the job");
  }
}

// Where nothing is lost or late, a result that the scheduler has is soon known to all. In a rerun
// results are taken back when a newer attempt is heard of.
void Checkers::check_news(const World& world, const Process& process) {
  const Scenario& scenario = world.scenario();
  const Faults& faults = scenario.faults;
  if (scenario.loses_nodes() || !faults.cuts.empty() || !faults.pauses.empty()) return;
  if (!faults.walls.empty() || faults.last_moment || faults.loss_permille > 0) return;
  if (faults.damage_permille > 0 || scenario.leavers > 0 || scenario.alone || scenario.rerun)
    return;
  const Node& node = *process.node;
  const report::Counts& counts = node.job().counts();
  const uint64_t finished = counts.total - counts.unfinished;
  const mesh::Claim& claim = node.election().claim();
  std::vector<News>& news = news_[claim.scheduler.node];
  if (node.is_scheduler() && !node.end()) {
    // What a second copy had passed is open again when the first run fails.
    while (!news.empty() && news.back().finished > finished) news.pop_back();
    if (news.empty() || finished > news.back().finished) news.push_back({world.now(), finished});
    return;
  }
  const auto& mesh = world.mesh(process.mesh);
  const auto schedulers = std::count_if(mesh.begin(), mesh.end(), [&](const Process* one) {
    return one->node && !one->exited && one->node->is_scheduler() && !one->node->end() &&
           one->node->election().claim() == claim;
  });
  if (schedulers != 1 || node.end()) {
    follows_since_.erase(process.number);
    return;
  }
  const auto [own, first] =
      follows_since_.try_emplace(process.number, std::pair(claim, world.now()));
  if (!first && own->second.first != claim) own->second = {claim, world.now()};
  const Instant since = own->second.second;
  const Duration patience = Duration::seconds(1) + faults.delay_max * 4;
  if (world.now() < since + patience * 2) return;
  const auto late = std::find_if(news.rbegin(), news.rend(),
                                 [&](const News& one) { return one.at + patience < world.now(); });
  if (late != news.rend() && finished < late->finished) {
    violated(world, &process, "has not heard of results that its scheduler has for long");
  }
}

// Only its owner raises an incarnation.
void Checkers::check_incarnations(const World& world, const Process& process) {
  if (world.processes().size() > 30 && !rng_.chance(1, 50)) return;
  for (const Process* one : world.mesh(process.mesh)) {
    const Process& other = *one;
    if (!other.node || &other == &process) continue;
    const mesh::Member* seen = process.node->membership().find(other.node->id());
    if (seen == nullptr) continue;
    if (seen->incarnation > other.node->membership().self().incarnation) {
      violated(world, &process, "knows an incarnation its owner never had");
    }
  }
}

void Checkers::at_the_end(const World& world) {
  if (failed()) return;
  if (world.timed_out()) {
    std::string pending;
    for (const Process& process : world.processes()) {
      if (!process.exited) pending += "\n    " + situation(process);
    }
    violated(world, nullptr, "not over by the bound; still there:" + pending);
    return;
  }
  check_strangers(world);
  check_taken_down(world);
  for (uint32_t mesh = 0; mesh < world.scenario().meshes && !failed(); ++mesh) {
    check_reports(world, mesh);
  }
}

// Whoever belongs to another run is nobody's member.
void Checkers::check_strangers(const World& world) {
  if (world.scenario().meshes == 1) return;
  std::map<NodeId, uint32_t> meshes;
  for (const Process& process : world.processes()) meshes[process.crypto->node_id()] = process.mesh;
  for (const Process& process : world.processes()) {
    if (!process.node) continue;
    for (const auto& [id, member] : process.node->membership().members()) {
      if (meshes.at(id) != process.mesh)
        violated(world, &process, "knows a member of another mesh");
    }
  }
}

// Every node that saw the end prints the same bytes and exits with the same code. A node that
// starts when the others are gone finds nobody and runs a job of its own.
void Checkers::check_reports(const World& world, uint32_t mesh) {
  std::map<NodeId, std::pair<const Process*, std::string>> jobs;
  // Who ends first has all logs: nobody had gone before.
  std::vector<const Process*> processes(world.mesh(mesh).begin(), world.mesh(mesh).end());
  std::stable_sort(processes.begin(), processes.end(),
                   [](const Process* a, const Process* b) { return a->exited_at < b->exited_at; });
  for (const Process* one : processes) {
    const Process& process = *one;
    if (process.crashed) continue;
    if (!process.end) {
      violated(world, &process, "ended without an end");
      continue;
    }
    if (world.is_archivist(process)) check_kept(world, process);
    if (process.end->kind == NodeEnd::Kind::kFound) {
      const std::string found = report_text(process.end->summary, *process.crypto);
      const bool is_told = std::any_of(jobs.begin(), jobs.end(),
                                       [&](const auto& job) { return job.second.second == found; });
      if (!is_told) violated(world, &process, "has found a report that nobody prints:\n" + found);
    }
    if (process.end->kind != NodeEnd::Kind::kClosed) continue;
    check_names(world, process);
    check_groups(world, process);
    const std::string own = report_text(process.end->summary, *process.crypto);
    const auto [job, first] = jobs.try_emplace(process.end->closed_by, &process, own);
    if (first) {
      check_merge_order(world, process);
      continue;
    }
    const Process& other = *job->second.first;
    // Who was cut off or stood still until the others had gone may lack what only they had, and
    // says so.
    const Instant first_gone = std::min(other.exited_at, process.exited_at);
    if (first_gone < world.scenario().faults.over_at()) continue;
    if (own != job->second.second) {
      violated(world, &process,
               "prints another report than node " + std::to_string(other.number) + ":\n" + own +
                   "\n-- against --\n" + job->second.second);
    }
    if (report::exit_code(process.end->summary, {}) != report::exit_code(other.end->summary, {})) {
      violated(world, &process, "exits with another code");
    }
  }
  check_one_job(world, mesh, jobs.size());
  std::vector<const report::JobSummary*> summaries;
  for (const auto& [closer, job] : jobs) {
    summaries.push_back(&job.first->end->summary);
    check_verdicts(world, mesh, *summaries.back(),
                   jobs.size() > 1 || was_left_alone(world, *job.first));
  }
  check_slices(world, summaries);
  check_inheritance(world, mesh);
}

// All others have crashed or left: nobody is there to close a job of the whole.
bool Checkers::was_left_alone(const World& world, const Process& process) {
  const auto& mesh = world.mesh(process.mesh);
  return std::all_of(mesh.begin(), mesh.end(), [&](const Process* other) {
    return other == &process || other->crashed ||
           (other->end && other->end->kind != NodeEnd::Kind::kClosed);
  });
}

// What a node has written that leaves politely stays, as long as nobody is lost or cut off. One
// whose test outlasts the grace goes in the middle of it.
void Checkers::check_inheritance(const World& world, uint32_t mesh) {
  const Scenario& scenario = world.scenario();
  const Faults& faults = scenario.faults;
  if (scenario.loses_nodes() || !faults.cuts.empty() || !faults.pauses.empty()) return;
  if (!faults.walls.empty() || faults.last_moment || scenario.alone) return;
  const auto& all = world.mesh(mesh);
  for (const Process* leaver : all) {
    if (!leaver->end || leaver->end->kind != NodeEnd::Kind::kDeparted) continue;
    if (leaver->exited_at >= *leaver->leaves_at + NodeConfig{}.grace) continue;
    const NodeId& id = leaver->node->id();
    const uint64_t wrote = leaver->node->ledger().length(id);
    const auto stayed = [](const Process* one) {
      return one->end && one->end->kind == NodeEnd::Kind::kClosed;
    };
    const bool held = std::any_of(all.begin(), all.end(), [&](const Process* heir) {
      return stayed(heir) && heir->node->ledger().length(id) >= wrote;
    });
    if (held || std::none_of(all.begin(), all.end(), stayed)) continue;
    violated(world, leaver, "has left, and nobody who stayed holds its whole log");
  }
}

// Nodes that may have run only their slices have run everything together.
void Checkers::check_slices(const World& world,
                            const std::vector<const report::JobSummary*>& jobs) {
  const Scenario& scenario = world.scenario();
  const bool all_stay = scenario.leavers == 0 && !scenario.loses_nodes();
  if (!scenario.slices || !all_stay || scenario.max_fail > 0) return;
  auto missing = world.suite().expected(2);
  for (const report::JobSummary* job : jobs) {
    for (const report::TestSummary& test : job->tests) {
      if (report::bucket_of(test.verdict) != report::Bucket::kUnfinished) missing.erase(test.id);
    }
  }
  std::erase_if(missing, [&](const auto& one) { return world.suite().is_fickle(one.first); });
  if (missing.empty()) return;
  violated(world, nullptr, missing.begin()->first + " is in nobody's slice");
}

// Of two that are walled off from each other, with nobody left who sees both, neither knows how the
// other ends.
bool Checkers::is_torn_apart(const World& world, uint32_t mesh) {
  std::vector<const Process*> left;
  for (const Process* process : world.mesh(mesh)) {
    if (!process->crashed) left.push_back(process);
  }
  const auto sees = [&world](const Process* one, const Process* other) {
    return !world.is_walled(one->number, other->number);
  };
  return std::any_of(left.begin(), left.end(), [&](const Process* one) {
    return std::any_of(left.begin(), left.end(), [&](const Process* other) {
      return !sees(one, other) && std::none_of(left.begin(), left.end(), [&](const Process* third) {
        return sees(one, third) && sees(third, other);
      });
    });
  });
}

// Nodes that were there together have one job, not several.
void Checkers::check_one_job(const World& world, uint32_t mesh, std::size_t jobs) {
  Instant first_end = Instant::never();
  Instant last_start{};
  for (const Process* process : world.mesh(mesh)) {
    if (!process->crashed) last_start = std::max(last_start, process->starts_at);
    if (process->end) first_end = std::min(first_end, process->exited_at);
  }
  // A lost hello costs a handshake's time; along a chain of addresses these times add up.
  const Duration meeting = Duration::seconds(world.scenario().chain_discovery ? 30 : 5);
  if (world.scenario().alone || is_torn_apart(world, mesh)) return;
  // Who is believed dead is heard of again when its address is dialled the next time.
  const Instant healed = world.faults_over_at();
  if (first_end > std::max(last_start, healed) + meeting && jobs > 1) {
    violated(world, nullptr, "the nodes ran " + std::to_string(jobs) + " jobs instead of one");
  }
}

// Only what passed before is left out, and what all nodes remember is never run.
void Checkers::check_rerun(const World& world, const report::TestSummary& test) {
  if (!world.scenario().rerun) return;
  const bool passed = world.passed_before().contains(test.id);
  const bool may_be_left_out = passed || world.passed_earlier().contains(test.id);
  if (test.verdict == report::Verdict::kRedundant && !may_be_left_out) {
    violated(world, nullptr, test.id + " is left out, but did not pass before");
  }
  if (passed && world.memory() == World::Memory::kAll && !test.attempts.empty()) {
    violated(world, nullptr, test.id + " is run although all nodes know that it passed");
  }
}

// The newest attempt decides that anybody remembers who had a part in the job.
void Checkers::check_left_out(const World& world, const Process& process,
                              const report::JobState& job) {
  const auto& passed = job.attempt_before_ms() == World::kAttemptBeforeMs ? world.passed_before()
                                                                          : world.passed_earlier();
  for (const report::Test& test : job.tests()) {
    if (test.verdict != report::Verdict::kRedundant || passed.contains(test.id)) continue;
    violated(world, &process, test.id + " is left out, but did not pass in the attempt before");
  }
}

bool Checkers::was_copied(const World& world, uint32_t number, const std::string& id) {
  const auto& mesh = world.mesh(number);
  return std::any_of(mesh.begin(), mesh.end(), [&](const Process* one) {
    if (!one->node) return false;
    const report::TestIndex test = one->node->job().find_test(id);
    return test != report::kNone && one->node->job().tests()[test].copied;
  });
}

// A test that takes its node down gets three: one of which nobody knows what ended it, one where
// few are suspect, one where it was alone; and one more if a scheduler is among them, which gathers
// its words for a millisecond. Where messages are lost any node's last word may be, and of one that
// met nobody nobody knows.
void Checkers::check_taken_down(const World& world) {
  const Faults& faults = world.scenario().faults;
  const bool apart = world.scenario().starts_within > Duration::milliseconds(200);
  if (faults.loss_permille > 0 || faults.damage_permille > 0 || apart) return;
  for (const auto& [id, by] : world.taken_down_by()) {
    if (by.nodes <= 3 + std::min(by.schedulers, 1U)) continue;
    violated(world, nullptr, id + " has ended " + std::to_string(by.nodes) + " nodes");
  }
}

// Nothing lost, nothing invented, every verdict the one that the suite is made to give.
void Checkers::check_verdicts(const World& world, uint32_t mesh, const report::JobSummary& summary,
                              bool part_elsewhere) {
  const bool passed = summary.status == report::JobStatus::kPassed;
  if (passed != (report::exit_code(summary, {}) == report::kExitPassed)) {
    violated(world, nullptr, "the report says otherwise than the exit code");
  }
  if (summary.status == report::JobStatus::kInterrupted) return;
  const auto expected = world.suite().expected(2);
  // What --max-fail cut short may not even have been collected.
  const bool partly_known = world.scenario().max_fail > 0 && world.scenario().shared;
  if (!partly_known && summary.collection_errors.size() != world.suite().broken_files()) {
    violated(world, nullptr,
             "the report has " + std::to_string(summary.collection_errors.size()) +
                 " collection errors, the suite " + std::to_string(world.suite().broken_files()));
  }
  const bool sliced = world.scenario().slices && part_elsewhere;
  if (!partly_known && !sliced && summary.tests.size() != expected.size()) {
    violated(world, nullptr,
             "the report has " + std::to_string(summary.tests.size()) + " tests, the suite " +
                 std::to_string(expected.size()));
    return;
  }
  const uint64_t failing =
      static_cast<uint64_t>(std::count_if(expected.begin(), expected.end(), [](const auto& one) {
        return report::is_failure(one.second);
      }));
  // When a landslide of failures ends the retries, what is flaky stays failed.
  const bool landslide = failing > 5;
  for (const report::TestSummary& test : summary.tests) {
    const report::Verdict wanted = expected.at(test.id);
    check_rerun(world, test);
    if (test.verdict == wanted) continue;
    if (world.scenario().rerun && test.verdict == report::Verdict::kRedundant) continue;
    // Those who had its result may have been killed in the moment in which the job was closed.
    const bool last_word_lost = world.scenario().faults.last_moment && part_elsewhere;
    if (last_word_lost && test.verdict == report::Verdict::kPending) continue;
    // Only the process that collected it first has it, and that may be gone.
    const bool untried =
        test.verdict == report::Verdict::kPending || wanted == report::Verdict::kOkFlaky;
    if (untried && world.suite().is_fickle(test.id)) continue;
    // What --max-fail cut short.
    const bool cut_short =
        test.verdict == report::Verdict::kPending || wanted == report::Verdict::kOkFlaky;
    if (world.scenario().max_fail > 0 && cut_short) continue;
    // The fake tests count their tries over all jobs, so another job may have had the failing one.
    if ((landslide || part_elsewhere) && wanted == report::Verdict::kOkFlaky) continue;
    // The failing try of a flaky test may have gone with its node.
    const Faults& faults = world.scenario().faults;
    // Nodes that start apart may have tried it each on their own, and met when one closed the job.
    const bool apart = world.scenario().starts_within > Duration::milliseconds(200);
    const bool lost_try =
        apart || world.scenario().loses_nodes() || !faults.cuts.empty() || !faults.pauses.empty();
    if (lost_try && wanted == report::Verdict::kOkFlaky && test.verdict == report::Verdict::kOk) {
      continue;
    }
    if (test.verdict == report::Verdict::kCrashed &&
        is_blamed_by_chance(world.mesh(mesh), summary, test)) {
      continue;
    }
    // The failing try may have been a copy's, which counts for nothing.
    if (wanted == report::Verdict::kOkFlaky && was_copied(world, mesh, test.id)) continue;
    std::string attempts;
    for (const report::AttemptSummary& one : test.attempts) {
      attempts += ", " + std::string(report::to_string(one.outcome)) + " on " + one.node;
    }
    violated(world, nullptr,
             test.id + " is " + std::string(report::to_string(test.verdict)) + " instead of " +
                 std::string(report::to_string(wanted)) + attempts);
    return;
  }
}

// The order in which logs arrive never matters.
void Checkers::check_merge_order(const World& world, const Process& process) {
  std::map<NodeId, std::vector<Buffer>> logs;
  const mesh::Ledger& ledger = process.node->ledger();
  ledger.read(process.end->closed.positions,
              [&](const NodeId& origin, const Buffer& entry) { logs[origin].push_back(entry); });
  report::JobState state;
  std::map<NodeId, std::size_t> at;
  std::vector<NodeId> open;
  for (const auto& [origin, log] : logs) open.push_back(origin);
  while (!open.empty()) {
    const std::size_t pick = rng_.below(open.size());
    const NodeId origin = open[pick];
    report::Entry entry;
    if (decode(logs[origin][at[origin]++], entry)) state.apply(origin, entry);
    if (at[origin] == logs[origin].size()) {
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(pick));
    }
  }
  state.apply(process.end->closed_by, process.end->closed);
  check_left_out(world, process, state);
  if (report_text(state.summary(), *process.crypto) !=
      report_text(process.end->summary, *process.crypto)) {
    violated(world, &process, "another order of merging gives another report");
  }
}

}  // namespace dagz::sim
