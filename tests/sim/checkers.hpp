#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/world.hpp"

// What must hold after every event, and what must hold at the end.

namespace dagz::sim {

class Checkers {
 public:
  explicit Checkers(const Scenario& scenario) : rng_(scenario.seed ^ 0xc4ec'4e25) {}

  void after_event(const World& world, const Process& touched);
  void at_the_end(const World& world);

  bool failed() const { return !violations_.empty(); }
  const std::vector<std::string>& violations() const { return violations_; }

 private:
  void violated(const World& world, const Process* process, const std::string& what);
  void check_books(const World& world, const Process& process);
  void check_fence(const World& world, const Process& process);
  void check_incarnations(const World& world, const Process& process);
  void check_scheduler(const World& world, const Process& process);
  void check_archivist(const World& world, const Process& process);
  void check_kept(const World& world, const Process& process);
  void check_news(const World& world, const Process& process);
  void check_rest(const World& world, const Process& process);
  void check_load(const World& world, const Process& process);
  // Whether two halves have ever worked for themselves, up to now.
  bool is_split(const World& world, uint32_t mesh);
  void check_groups(const World& world, const Process& process);
  void check_mutexes(const World& world, uint32_t mesh);
  void check_numbers(const World& world, const Process& touched);
  bool is_stuck(const World& world, const Process& process) const;
  void check_idleness(const World& world, uint32_t mesh);
  void check_names(const World& world, const Process& process);
  void check_strangers(const World& world);
  void check_reports(const World& world, uint32_t mesh);
  static bool is_torn_apart(const World& world, uint32_t mesh);
  static bool was_left_alone(const World& world, const Process& process);
  void check_left_out(const World& world, const Process& process, const report::JobState& job);
  void check_rerun(const World& world, const report::TestSummary& test);
  static bool was_copied(const World& world, uint32_t mesh, const std::string& id);
  void check_inheritance(const World& world, uint32_t mesh);
  void check_taken_down(const World& world);
  void check_slices(const World& world, const std::vector<const report::JobSummary*>& jobs);
  void check_one_job(const World& world, uint32_t mesh, std::size_t jobs);
  void check_verdicts(const World& world, uint32_t mesh, const report::JobSummary& summary,
                      bool part_elsewhere);
  void check_merge_order(const World& world, const Process& process);

  Rng rng_;
  std::vector<std::string> violations_;
  std::map<uint32_t, mesh::Claim> fences_;
  std::map<uint32_t, Instant> rivals_since_;  // by process
  // What schedulers have counted as finished, and who has followed one since when.
  struct News {
    Instant at;
    uint64_t finished = 0;
  };
  std::map<NodeId, std::vector<News>> news_;                           // by scheduler
  std::map<uint32_t, std::pair<mesh::Claim, Instant>> follows_since_;  // by process
  std::map<uint32_t, std::pair<mesh::Claim, Instant>> agreed_since_;   // by mesh
  // Looked at now and then: nodes with an idle worker, and tests that wait at a node, since when.
  struct Idleness {
    Instant looked_at;
    std::map<uint32_t, Instant> idle;
    std::map<std::string, Instant> waiting;
  };
  std::map<uint32_t, Idleness> idleness_;                  // by mesh
  std::map<uint32_t, std::map<uint64_t, Instant>> began_;  // by process and run, what still runs
  std::set<uint32_t> split_;                               // meshes that were in parts
};

}  // namespace dagz::sim
