#include "sched/io/runner_host.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <variant>
#include <vector>

#include "tests/support/temporary_directory.hpp"

// The runner's processes, with tests/support/fake_zygote.py in place of pytest and its driver.

namespace {

using namespace dagz;
using namespace dagz::sched;

constexpr Duration kPatience = Duration::seconds(30);

Instant now() {
  return {std::chrono::duration_cast<std::chrono::nanoseconds>(
              std::chrono::steady_clock::now().time_since_epoch())
              .count()};
}

constexpr DriverModule kNoDriver[] = {{"dagz_pytest_driver", "# nothing\n"}};

RunnerConfig fake(const std::string& files, const std::string& mode = "") {
  RunnerConfig config;
  config.argv = {"python3", DAGZ_SOURCE_DIR "/tests/support/fake_zygote.py", files, mode};
  config.driver = kNoDriver;
  config.grace = Duration::milliseconds(200);
  return config;
}

// A host and what it has reported and nobody has asked for yet.
class Bench {
 public:
  explicit Bench(const RunnerConfig& config) { REQUIRE_FALSE(host.start(config)); }

  // Polls until there is an event of the type, and takes it and all before it.
  template <class Event>
  Event next() {
    const Instant until = now() + kPatience;
    for (;;) {
      while (!events_.empty()) {
        RunnerEvent event = std::move(events_.front());
        events_.pop_front();
        if (auto* wanted = std::get_if<Event>(&event)) return std::move(*wanted);
        if (auto* failed = std::get_if<RunnerFailed>(&event)) FAIL(failed->text);
        passed_by.push_back(std::move(event));
      }
      if (now() > until) FAIL("nothing came");
      step(until);
    }
  }

  template <class Event>
  std::size_t count_passed_by() const {
    return static_cast<std::size_t>(
        std::count_if(passed_by.begin(), passed_by.end(),
                      [](const auto& e) { return std::holds_alternative<Event>(e); }));
  }

  void start_worker(Slot slot) {
    host.perform(StartWorker{slot, slot + 10, 2});
    next<WorkerReady>();
  }

  RunnerHost host;
  std::vector<RunnerEvent> passed_by;

 private:
  void step(Instant until) {
    std::vector<pollfd> fds;
    host.append_poll_items(fds);
    const Instant wake = std::min(until, host.next_deadline());
    const int64_t ms = std::clamp<int64_t>((wake - now()).ms() + 1, 0, kPatience.ms());
    ::poll(fds.data(), fds.size(), static_cast<int>(ms));
    std::vector<RunnerEvent> events;
    host.poll(now(), events);
    std::move(events.begin(), events.end(), std::back_inserter(events_));
  }

  std::deque<RunnerEvent> events_;
};

// A private place for temporary files, to see what is left in it.
class OwnTmp {
 public:
  OwnTmp() { setenv("TMPDIR", directory_.path.c_str(), 1); }
  ~OwnTmp() { unsetenv("TMPDIR"); }
  OwnTmp(const OwnTmp&) = delete;
  OwnTmp& operator=(const OwnTmp&) = delete;

  bool empty() const { return std::filesystem::is_empty(directory_.path); }
  std::string only_entry() const {
    return std::filesystem::directory_iterator(directory_.path)->path().string();
  }

 private:
  test::TemporaryDirectory directory_;
};

// No process, or one that only its new parent has not looked at yet.
bool is_dead(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string number, name, state;
  return !(file >> number >> name >> state) || state == "Z";
}

// What was killed ends soon, but not at once.
bool dies(pid_t pid) {
  for (const Instant until = now() + kPatience; now() < until;) {
    if (is_dead(pid)) return true;
    ::poll(nullptr, 0, 1);
  }
  return false;
}

WorkerGone crash_of(const std::string& what, bool then_kill = false) {
  Bench bench(fake(R"([["a.py", ["a.py::)" + what + R"(", "a.py::pass"]]])"));
  bench.next<CollectionDone>();
  bench.start_worker(0);
  bench.host.perform(RunTests{0, {{0, 0}}});
  if (then_kill) bench.host.perform(KillWorker{0});
  WorkerGone gone = bench.next<WorkerGone>();
  CHECK(bench.count_passed_by<TestDone>() == 0);
  // The pool outlives it: another worker runs the next test.
  bench.start_worker(0);
  bench.host.perform(RunTests{0, {{0, 1}}});
  CHECK(bench.next<TestDone>().test == LocalTest{0, 1});
  return gone;
}

}  // namespace

TEST_CASE("runner host: a whole job", "[sched]") {
  Bench bench(
      fake(R"([["a.py", ["a.py::pass", "a.py::fail", "a.py::pass"]], ["b.py", ["b.py::x"]]])"));
  const auto file = bench.next<FileCollected>();
  CHECK(file.path == "a.py");
  CHECK(file.ids == std::vector<std::string>{"a.py::pass", "a.py::fail", "a.py::pass"});
  REQUIRE(file.groups.size() == 1);
  CHECK(file.groups[0].indexes == std::vector<uint32_t>{0, 2});
  CHECK(bench.next<FileCollected>().file == 1);
  const auto collected = bench.next<CollectionDone>();
  CHECK(collected.max_fail == 2);
  CHECK(bench.host.info().pytest == "fake");
  CHECK(bench.host.info().threads == 1);

  bench.host.perform(StartWorker{1, 7, 8});
  bench.host.perform(RunTests{1, {{0, 0}, {0, 1}}});  // before its hello
  CHECK(bench.next<WorkerReady>().slot == 1);
  CHECK(bench.next<WorkerWants>().slot == 1);
  CHECK(bench.next<TestDone>().duration == Duration::milliseconds(500));
  const auto failed = bench.next<TestDone>();
  CHECK(failed.outcome == report::Outcome::kFailed);
  CHECK(failed.message == "assert 0, run 1");
  CHECK(failed.output == "text \x80");
  bench.next<WorkerWants>();
  bench.host.perform(RunTests{1, {}});
  bench.host.perform(RunTests{1, {{0, 1}}});
  CHECK(bench.next<TestDone>().message == "assert 0, run 2");
  bench.host.perform(RunTests{1, {{1, 0}}});
  CHECK(bench.next<TestDone>().test == LocalTest{1, 0});
  bench.host.perform(DrainWorker{1});
  const auto gone = bench.next<WorkerGone>();
  CHECK(gone.clean);
  CHECK(gone.reason == "exit status 0");

  bench.host.perform(FinishRunner{{"a.py::fail"}, {}, false});
  const auto finished = bench.next<RunnerFinished>();
  CHECK(finished.status == 1);
  CHECK(finished.output == "summary of 1 failed\n");
}

TEST_CASE("runner host: what a worker has not begun is taken back, and may be given again",
          "[sched]") {
  Bench bench(fake(R"([["a.py", ["a.py::hang", "a.py::x", "a.py::y"]]])"));
  bench.next<CollectionDone>();
  bench.start_worker(0);
  bench.host.perform(RunTests{0, {{0, 1}, {0, 0}, {0, 2}, {0, 1}}});
  CHECK(bench.next<TestDone>().test == LocalTest{0, 1});
  // It may be about to begin the one that hangs.
  const auto take_back = [&bench] {
    bench.host.perform(TakeBack{0});
    return bench.next<TakenBack>().tests;
  };
  const std::vector<LocalTest> taken = take_back();
  CHECK(taken.size() >= 2);
  CHECK(taken[taken.size() - 2] == LocalTest{0, 2});
  CHECK(taken.back() == LocalTest{0, 1});
  CHECK(take_back().empty());
  bench.host.perform(KillWorker{0});
  bench.next<WorkerGone>();
  bench.start_worker(0);
  bench.host.perform(RunTests{0, taken});
  if (taken.size() == 2) CHECK(bench.next<TestDone>().test == LocalTest{0, 2});
}

TEST_CASE("runner host: where its pipe cannot be made a worker is not started, and says why",
          "[sched]") {
  const OwnTmp tmp;
  Bench bench(fake(R"([["a.py", ["a.py::x"]]])"));
  bench.next<CollectionDone>();
  // Neither removed nor written over.
  std::filesystem::create_directories(tmp.only_entry() + "/worker-0.tickets/in-the-way");
  bench.host.perform(StartWorker{0, 0, 1});
  const auto gone = bench.next<WorkerGone>();
  CHECK_FALSE(gone.clean);
  CHECK(gone.reason.find("cannot make the pipe " + tmp.only_entry()) == 0);
  CHECK(gone.reason.find("File exists") != std::string::npos);
  bench.start_worker(1);
  bench.host.perform(RunTests{1, {{0, 0}}});
  CHECK(bench.next<TestDone>().slot == 1);
}

TEST_CASE("runner host: a worker is hungry that may soon be done with all it holds", "[sched]") {
  Bench bench(fake(R"([["a.py", ["a.py::x", "a.py::y", "a.py::z"]]])"));
  bench.next<CollectionDone>();
  const auto hungry_within = [&bench](Duration time) {
    std::vector<pollfd> items;
    bench.host.append_hungry_workers(time, items);
    return items.size();
  };
  const Duration cpu = Duration::milliseconds(250);  // of each test, as the fake tells
  CHECK(hungry_within(cpu) == 0);
  bench.start_worker(0);
  bench.start_worker(1);
  bench.host.perform(RunTests{0, {{0, 0}}, {}});
  CHECK(hungry_within(cpu) == 2);  // nobody knows yet how quick its tests are
  CHECK(bench.next<TestDone>().cpu == cpu);
  CHECK(hungry_within(cpu) == 2);
  bench.host.perform(RunTests{0, {{0, 1}, {0, 2}}, {}});
  CHECK(hungry_within(cpu * 2) == 1);
  CHECK(hungry_within(cpu * 3) == 2);
}

TEST_CASE("runner host: a crash costs one worker and shows its log", "[sched]") {
  const WorkerGone segv = crash_of("segv");
  CHECK(segv.reason == "SIGSEGV");
  CHECK_FALSE(segv.clean);
  CHECK(segv.output == "worker gw10\nabout to crash\n");
  CHECK(crash_of("exit7").reason == "exit status 7");
  CHECK(crash_of("hang", true).reason == "SIGKILL");
}

TEST_CASE("runner host: a worker that writes into the socket or lies is killed", "[sched]") {
  const WorkerGone garbage = crash_of("garbage");
  CHECK_FALSE(garbage.clean);
  CHECK(garbage.reason.starts_with("killed: it wrote into the runner's socket"));
  CHECK(crash_of("long").reason.find("longer than its limit") != std::string::npos);
  CHECK(crash_of("lie").reason.find("was not given") != std::string::npos);
  CHECK(crash_of("evade").reason.find("a test without a result") != std::string::npos);
}

TEST_CASE("runner host: a test has a second and a third word, and no more", "[sched]") {
  Bench bench(fake(R"([["a.py", ["a.py::late", "a.py::x", "a.py::flood"]]])"));
  bench.next<CollectionDone>();
  bench.start_worker(0);
  bench.host.perform(RunTests{0, {{0, 0}, {0, 1}, {0, 2}}});
  const auto gone = bench.next<WorkerGone>();
  CHECK_FALSE(gone.clean);
  CHECK_THAT(gone.reason, Catch::Contains("result over and over"));
  CHECK(bench.count_passed_by<TestDone>() == 3 + 1 + 3);
  CHECK(bench.host.rejected_lines() == 1);
}

TEST_CASE("runner host: a worker that only closed its connection is killed", "[sched]") {
  CHECK(crash_of("close").reason == "SIGKILL");
}

TEST_CASE("runner host: what a worker leaves running ends with it", "[sched]") {
  const WorkerGone gone = crash_of("orphan");
  CHECK_FALSE(gone.clean);
  const std::size_t at = gone.output.find("orphan ");
  REQUIRE(at != std::string::npos);
  CHECK(dies(std::stoi(gone.output.substr(at + 7))));
}

TEST_CASE("runner host: a test may ask for the end of the run", "[sched]") {
  Bench bench(fake(R"([["a.py", ["a.py::stop"]]])"));
  bench.next<CollectionDone>();
  bench.start_worker(0);
  bench.host.perform(RunTests{0, {{0, 0}}});
  CHECK(bench.next<ExitRequested>().reason == "enough");
  CHECK(bench.next<TestDone>().outcome == report::Outcome::kStopped);
}

TEST_CASE("runner host: a command that ends early is explained", "[sched]") {
  struct Row {
    std::vector<std::string> argv;
    int exit_code;
    std::string text;
  };
  const std::vector<Row> rows = {
      {fake("[]", "usage").argv, 4, "ERROR: no such test"},
      {{"sh", "-c", "echo hello"}, 3, "without starting pytest"},
      {{"sh", "-c", "echo 'pytest 1.2'", "--version"}, 0, "pytest 1.2\n"},
      {{"sh", "-c", "echo oops; exit 5"}, 5, "oops"},
      {{"sh", "-c", "kill -9 $$"}, 3, "SIGKILL"},
      {{"sh", "-c", "no-such-command-here"}, 16, "not found"},
      {fake(R"([["a.py", ["a.py::x"]]])", "miscount").argv, 3, "does not add up"},
      {fake(R"([["a.py", ["a.py::x"]]])", "too many").argv, 16, "a.py holds more than 1 million"},
  };
  for (const Row& row : rows) {
    RunnerConfig config = fake("[]");
    config.argv = row.argv;
    Bench bench(config);
    const auto failed = bench.next<RunnerFailed>();
    CHECK(failed.exit_code == row.exit_code);
    CHECK_THAT(failed.text, Catch::Contains(row.text));
  }
}

TEST_CASE("runner host: a worker whose file holds too many tests is killed, and says so",
          "[sched]") {
  Bench bench(fake(R"([["a.py", []]])", "shared"));
  CHECK(bench.next<CollectionDone>().shared);
  bench.start_worker(0);
  bench.host.perform(RunTests{0, {{0, kCollectFile}}});
  const auto gone = bench.next<WorkerGone>();
  CHECK_FALSE(gone.clean);
  CHECK_THAT(gone.reason, Catch::StartsWith("killed: a.py holds more than 1 million tests"));
}

TEST_CASE("runner host: a command that cannot be started is told at once", "[sched]") {
  const OwnTmp tmp;
  RunnerConfig config = fake("[]");
  config.argv = {"no-such-command-here"};
  RunnerHost host;
  const auto failed = host.start(config);
  REQUIRE(failed);
  CHECK(failed->exit_code == 16);
  CHECK(tmp.empty());
}

TEST_CASE("runner host: a zygote that dies is started again", "[sched]") {
  Bench bench(fake(R"([["a.py", ["a.py::parent", "a.py::fail"]]])"));
  bench.next<CollectionDone>();
  bench.start_worker(0);
  bench.start_worker(1);
  bench.host.perform(RunTests{0, {{0, 0}}});
  CHECK(bench.next<RunnerLost>().reason == "SIGKILL");
  CHECK(bench.count_passed_by<WorkerGone>() == 0);
  bench.passed_by.clear();
  bench.host.perform(RestartRunner{{{0, 1}}});
  bench.host.perform(StartWorker{1, 11, 2});  // before there is a zygote to fork it
  bench.host.perform(RunTests{1, {{0, 1}}});
  CHECK(bench.next<TestDone>().message == "assert 0, run 2");
  CHECK(bench.count_passed_by<FileCollected>() == 0);
  CHECK(bench.count_passed_by<CollectionDone>() == 0);
  bench.host.perform(FinishRunner{});
  CHECK(bench.next<RunnerFinished>().status == 0);
}

TEST_CASE("runner host: of workers that died with a lost runner no descriptor stays", "[sched]") {
  const auto pidfds = [] {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code gone;  // the iterator's own
      const auto target = std::filesystem::read_symlink(entry.path(), gone);
      if (target.string().find("pidfd") != std::string::npos) ++count;
    }
    return count;
  };
  Bench bench(fake(R"([["a.py", ["a.py::parent"]]])"));
  bench.next<CollectionDone>();
  const std::size_t before = pidfds();
  bench.start_worker(0);
  bench.start_worker(1);
  const std::vector<pid_t> pids{bench.host.worker_pid(0), bench.host.worker_pid(1)};
  bench.host.perform(RunTests{0, {{0, 0}}});
  bench.next<RunnerLost>();
  for (const pid_t pid : pids) CHECK(dies(pid));
  bench.host.perform(RestartRunner{});
  CHECK(pidfds() == before);
}

TEST_CASE("runner host: a zygote started again must collect what it did before", "[sched]") {
  Bench bench(fake(R"([["a.py", ["a.py::x"]], ["b.py", ["b.py::parent"]]])", "fickle"));
  bench.next<CollectionDone>();
  bench.start_worker(0);
  bench.host.perform(RunTests{0, {{1, 0}}});
  bench.next<RunnerLost>();
  bench.host.perform(RestartRunner{});
  bench.host.perform(StartWorker{0, 10, 2});
  CHECK_THAT(bench.next<RunnerFailed>().text, Catch::Contains("other tests than before"));
}

TEST_CASE("runner host: a job may end while the zygote is lost, or begins again", "[sched]") {
  for (const bool restarts : {false, true}) {
    Bench bench(fake(R"([["a.py", ["a.py::parent"]]])"));
    bench.next<CollectionDone>();
    bench.start_worker(0);
    bench.host.perform(RunTests{0, {{0, 0}}});
    bench.next<RunnerLost>();
    if (restarts) bench.host.perform(RestartRunner{});
    bench.host.perform(FinishRunner{});
    CHECK(bench.next<RunnerFinished>().status == 0);
  }
}

TEST_CASE("runner host: a zygote that was stopped is woken when it is needed", "[sched]") {
  Bench bench(fake(R"([["a.py", ["a.py::freeze"]]])"));
  bench.next<CollectionDone>();
  bench.start_worker(0);
  bench.host.perform(RunTests{0, {{0, 0}}});
  CHECK(bench.next<WorkerGone>().reason == "exit status 1");
}

TEST_CASE("runner host: a lost zygote that is given up is the runner's end", "[sched]") {
  Bench bench(fake(R"([["a.py", ["a.py::hang"]]])", "die"));
  bench.next<CollectionDone>();
  bench.host.perform(StartWorker{0, 0, 1});
  CHECK(bench.next<RunnerLost>().reason == "exit status 9");
  bench.host.perform(AbandonRunner{});
  const auto failed = bench.next<RunnerFailed>();
  CHECK(failed.exit_code == 3);
  CHECK_THAT(failed.text, Catch::Contains("exit status 9"));
  bench.host.perform(StartWorker{1, 1, 2});  // too late: nothing happens
}

TEST_CASE("runner host: a runner that does not wind up is ended", "[sched]") {
  RunnerConfig config = fake(R"([["a.py", ["a.py::pass"]]])", "linger");
  config.finish_patience = Duration::milliseconds(100);
  Bench bench(config);
  bench.next<CollectionDone>();
  bench.host.perform(FinishRunner{});
  const auto finished = bench.next<RunnerFinished>();
  CHECK(finished.status == 3);
  bench.host.perform(FinishRunner{});
}

TEST_CASE("runner host: a hard finish waits for nobody", "[sched]") {
  Bench bench(fake(R"([["a.py", ["a.py::hang"]]])"));
  bench.next<CollectionDone>();
  bench.start_worker(0);
  bench.host.perform(RunTests{0, {{0, 0}}});
  bench.host.perform(FinishRunner{{}, {}, true});
  CHECK(bench.next<RunnerFinished>().status == 3);
}

TEST_CASE("runner host: who takes long to collect is told of, and ended with the job", "[sched]") {
  RunnerConfig config = fake("[]", "collects for ever");
  config.slow_collection = Duration::milliseconds(50);
  Bench bench(config);
  const auto first = bench.next<CollectionSlow>();
  CHECK(first.since_start >= config.slow_collection);
  CHECK(bench.next<CollectionSlow>().since_start >= config.slow_collection * 2);
  while (!bench.next<CollectionSlow>().connected) {
  }
  bench.host.perform(FinishRunner{});
  CHECK(bench.next<RunnerFinished>().status == 0);
}

TEST_CASE("runner host: a file that takes too long to collect is named, and ends the runner",
          "[sched]") {
  RunnerConfig config = fake("[]", "collects for ever");
  config.file_within = Duration::milliseconds(300);
  Bench bench(config);
  const auto failed = bench.next<RunnerFailed>();
  CHECK(failed.exit_code == 1);
  CHECK_THAT(failed.text, Catch::StartsWith("collecting tests/slow.py has taken longer than 0.3s"));
}

TEST_CASE("runner host: a job that ends before there was a word of pytest has no status",
          "[sched]") {
  RunnerConfig config;
  config.argv = {"sleep", "600"};
  config.driver = kNoDriver;
  Bench bench(config);
  bench.host.perform(FinishRunner{});
  CHECK(bench.next<RunnerFinished>().status == 0);
}

TEST_CASE("runner host: what a killed process left behind is removed", "[sched]") {
  const OwnTmp tmp;
  namespace fs = std::filesystem;
  const fs::path parent = getenv("TMPDIR");
  for (const char* name : {"dagz-run-000000", "dagz-run-111111", "dagz-123456", "mine"}) {
    fs::create_directories(parent / name / "lib");
    std::ofstream(parent / name / "lib" / "file") << "text";
  }
  fs::create_directory_symlink("mine", parent / "dagz-run-222222");
  const int in_use = open((parent / "dagz-run-111111").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  REQUIRE(flock(in_use, LOCK_EX | LOCK_NB) == 0);
  { const Bench bench(fake("[]")); }
  CHECK_FALSE(fs::exists(parent / "dagz-run-000000"));
  for (const char* name : {"dagz-run-111111", "dagz-run-222222", "dagz-123456", "mine"}) {
    CHECK(fs::exists(parent / name / "lib" / "file"));
  }
  close(in_use);
  { const Bench bench(fake("[]")); }
  CHECK_FALSE(fs::exists(parent / "dagz-run-111111"));
}

TEST_CASE("runner host: files are private, and neither they nor processes stay behind", "[sched]") {
  const OwnTmp tmp;
  pid_t worker = 0;
  {
    RunnerConfig config = fake(R"([["a.py", ["a.py::hang"]]])");
    config.extra_env = {{"DAGZ_JOB", "j"}};
    Bench bench(config);
    namespace fs = std::filesystem;
    const fs::path directory = tmp.only_entry();
    CHECK((fs::status(directory).permissions() & fs::perms::mask) == fs::perms::owner_all);
    CHECK((fs::status(directory / "s").permissions() & fs::perms::mask) ==
          (fs::perms::owner_read | fs::perms::owner_write));
    CHECK(fs::file_size(directory / "lib" / "dagz_pytest_driver.py") == kNoDriver[0].text.size());
    bench.next<CollectionDone>();
    bench.start_worker(0);
    bench.host.perform(RunTests{0, {{0, 0}}});
    worker = bench.host.worker_pid(0);
    REQUIRE(worker > 1);
    CHECK(kill(worker, 0) == 0);
  }
  CHECK(is_dead(worker));
  CHECK(tmp.empty());
}

TEST_CASE("runner host: a worker's memory is told before each result", "[sched]") {
  RunnerConfig config = fake(R"([["a.py", ["a.py::pass", "a.py::pass"]]])");
  config.measure_memory = true;
  Bench bench(config);
  bench.next<CollectionDone>();
  bench.start_worker(0);
  bench.next<WorkerWants>();
  const std::size_t before = bench.count_passed_by<WorkerMemory>();
  bench.host.perform(RunTests{0, {{0, 0}}});
  const auto memory = bench.next<WorkerMemory>();
  CHECK(memory.slot == 0);
  CHECK(memory.bytes > 1 << 20);
  CHECK(bench.count_passed_by<TestDone>() == 0);
  bench.next<TestDone>();
  CHECK(before <= 1);

  Bench unmeasured(fake(R"([["a.py", ["a.py::pass"]]])"));
  unmeasured.next<CollectionDone>();
  unmeasured.start_worker(0);
  unmeasured.host.perform(RunTests{0, {{0, 0}}});
  unmeasured.next<TestDone>();
  CHECK(unmeasured.count_passed_by<WorkerMemory>() == 0);
}
