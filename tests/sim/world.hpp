#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "tests/sim/simulator.hpp"

namespace dagz::sim {

// One simulated process: a node, its runner, and how it ended.
struct Process {
  uint32_t number = 0;
  uint32_t mesh = 0;
  std::string address;
  int64_t wall_offset_ms = 0;
  Instant starts_at;
  std::optional<Instant> leaves_at;
  std::unique_ptr<Crypto> crypto;
  std::unique_ptr<Node> node;
  std::unique_ptr<FakeRunner> runner;
  Instant wake_at = Instant::never();
  uint32_t spins = 0;  // turns in a row after which it wanted another one at once
  bool exited = false;
  Instant exited_at = Instant::never();
  bool crashed = false;
  Instant paused_until{};
  const NodeEnd* end = nullptr;
};

class World {
 public:
  explicit World(const Scenario& scenario);

  // Performs the next event; false when nothing is left to happen or time is up.
  bool step();
  // The process that the last event touched.
  const Process* just_touched() const { return touched_; }

  const Scenario& scenario() const { return scenario_; }
  const Suite& suite() const { return suite_; }
  // Of reruns: what passed in the attempt before, and in the one before that.
  const std::unordered_set<std::string>& passed_before() const { return passed_before_; }
  const std::unordered_set<std::string>& passed_earlier() const { return passed_earlier_; }
  static constexpr int64_t kAttemptBeforeMs = 1'600'000'000'000;
  enum class Memory : uint8_t {
    kAll,      // all nodes remember the attempt before
    kMost,     // most of them
    kOne,      // one
    kDiffers,  // some, and others only the one before that
  };
  Memory memory() const { return memory_; }
  const std::vector<Process>& processes() const { return processes_; }
  // Those of one mesh.
  const std::vector<const Process*>& mesh(uint32_t mesh) const { return meshes_[mesh]; }
  Instant now() const { return now_; }
  bool timed_out() const { return timed_out_; }
  // From when on nothing stands still, ends or is cut off any more, as far as is known by now.
  Instant faults_over_at() const;
  bool is_archivist(const Process& process) const { return scenario_.archivist == process.number; }
  // They never hear each other but through others.
  bool is_walled(uint32_t one, uint32_t other) const;
  // Directly or through a third, as soon as nothing is cut off any more.
  bool can_talk(const Process& one, const Process& other) const;
  Outcome outcome() const;
  Instant first_test_began() const { return first_test_began_; }
  Instant last_test_ended() const { return last_test_ended_; }
  // How many nodes each test has ended, and how many of these were schedulers.
  struct TakenDown {
    uint32_t nodes = 0;
    uint32_t schedulers = 0;
  };
  const std::map<std::string, TakenDown>& taken_down_by() const { return taken_down_by_; }
  // By each process so far.
  const std::vector<uint64_t>& bytes_sent() const { return bytes_sent_; }
  // What workers ran, in order of its beginning; only of a given suite.
  struct Run {
    uint32_t process = 0;
    sched::Slot slot = 0;
    Instant began;
    Duration took;
  };
  const std::vector<Run>& runs() const { return runs_; }

 private:
  struct Start {};
  struct Wake {};
  struct Leave {};
  struct End {};
  struct Stop {
    Instant until;
  };
  struct Deliver {
    mesh::LinkId link = 0;
    Buffer bytes;
  };
  struct Up {
    mesh::LinkId link = 0;
  };
  struct Down {
    mesh::LinkId link = 0;
    mesh::LinkLoss loss = mesh::LinkLoss::kClosed;
  };
  struct Runner {
    sched::RunnerEvent event;
  };
  struct Ran {
    sched::Slot slot = 0;
    uint64_t life = 0;
  };
  using What = std::variant<Start, Wake, Leave, Deliver, Up, Down, Runner, Ran, End, Stop>;
  struct Event {
    Instant at;
    uint64_t sequence = 0;
    uint32_t process = 0;
    What what;
  };
  struct Later {
    bool operator()(const Event& a, const Event& b) const {
      return std::tie(a.at.ns, a.sequence) > std::tie(b.at.ns, b.sequence);
    }
  };
  // Both ends of a connection have a number of their own.
  struct LinkEnd {
    uint32_t process = 0;
    mesh::Lane lane = mesh::Lane::kControl;
    mesh::LinkId other = 0;
    uint32_t other_process = 0;
    bool open = true;
    bool down = false;  // its process knows that
  };

  void post(Instant at, uint32_t process, What what);
  void add_process(Instant starts_at, uint32_t mesh);
  void draw_memories();
  std::optional<sched::EarlierAttempt> memory_of(const Process& process) const;
  void tell_addresses(Process& process);
  void post_disasters();
  void end_in_the_last_moment(const Process& closer);
  uint32_t measured_speed(uint32_t number, double speed) const;
  void start(Process& process);
  void look_for_report(Process& process);
  void leave_report(const Process& process);
  void happen(Process& process, const What& what);
  bool is_cut(uint32_t from, uint32_t to) const;
  void hang_up(Process& process);
  void perform(Process& process);
  void dial(Process& process, const mesh::LinkActions::Dial& dial);
  void carry(Process& process, const mesh::LinkActions::Send& send);
  void close(mesh::LinkId link);
  void narrate(const Process& process, const std::string& what) const;
  void exit(Process& process);
  Duration delay();
  Moment moment(const Process& process) const;
  void check_formation();
  void trace(uint64_t value);

  Scenario scenario_;
  Rng rng_;
  Suite suite_;
  std::unordered_set<std::string> passed_before_;
  std::unordered_set<std::string> passed_earlier_;
  Memory memory_ = Memory::kAll;
  uint32_t remembers_ = 0;  // the one
  std::vector<sched::KnownDuration> history_;
  std::vector<std::map<std::string, uint32_t>> tries_;  // by mesh
  std::vector<Process> processes_;
  std::vector<std::vector<const Process*>> meshes_;
  std::map<std::pair<uint32_t, int64_t>, report::JobSummary> reports_left_;  // by mesh and start
  std::vector<Instant> last_crash_at_;  // by mesh: in the last moment of its first job
  std::map<std::string, TakenDown> taken_down_by_;
  Instant last_ended_by_test_{};
  std::map<std::string, uint32_t> by_address_;
  std::vector<LinkEnd> ends_{1};                     // by number; none has number 0
  std::vector<std::vector<mesh::LinkId>> links_of_;  // by process, those that were closed too
  std::priority_queue<Event, std::vector<Event>, Later> events_;
  uint64_t sequence_ = 0;
  Instant now_{};
  Instant last_start_{};
  const Process* touched_ = nullptr;
  bool timed_out_ = false;
  Instant first_test_began_ = Instant::never();
  Instant last_test_ended_{};
  bool formed_ = false;
  Outcome outcome_;
  std::vector<uint64_t> bytes_sent_;
  std::vector<Run> runs_;
};

}  // namespace dagz::sim
