#include "mesh/probe.hpp"

#include <catch2/catch.hpp>
#include <deque>
#include <set>

#include "tests/support/members.hpp"

using namespace dagz;
using namespace dagz::mesh;
using test::Actor;

namespace {

// A prober in a mesh of `size` members that answer as the test says.
struct Bench {
  Config config;
  Rng rng{11};
  std::deque<Actor> actors;
  Membership membership;
  Awareness awareness;
  Prober prober;
  Instant now{};

  explicit Bench(uint64_t size)
      : actors(make(size)),
        membership(config, actors[0].crypto, actors[0].profile,
                   [](Instant, const Member&, MemberChange) {}),
        prober(
            config, rng, awareness, [this] { return others(); }, Instant{}) {
    for (std::size_t i = 1; i < actors.size(); ++i) {
      membership.introduce(Instant{}, actors[i].profile);
    }
  }

  std::vector<NodeId> others() const {
    std::vector<NodeId> all;
    for (const auto& [id, member] : membership.members()) {
      if (id != actors[0].id()) all.push_back(id);
    }
    return all;
  }

  static std::deque<Actor> make(uint64_t size) {
    std::deque<Actor> actors;
    for (uint64_t i = 1; i <= size; ++i) actors.emplace_back(i);
    return actors;
  }

  // Sleeps until the prober's next deadline.
  Prober::Requests next() {
    now = prober.next_deadline();
    Prober::Requests out;
    prober.advance(now, membership, out);
    return out;
  }
  Prober::Requests acked(uint64_t number) {
    Prober::Requests out;
    prober.acked(number, out);
    return out;
  }
};

}  // namespace

TEST_CASE("probe: the first is within a period, so that nodes do not probe in step", "[mesh]") {
  std::set<int64_t> starts;
  const Config config;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Rng rng(seed);
    Awareness awareness;
    const Prober prober(
        config, rng, awareness, [] { return std::vector<NodeId>{}; }, test::at_ms(1000));
    CHECK(prober.next_deadline() >= test::at_ms(1000));
    CHECK(prober.next_deadline() <= test::at_ms(1000) + config.probe_every);
    starts.insert(prober.next_deadline().ns);
  }
  CHECK(starts.size() > 40);
}

TEST_CASE("probe: a lone node probes nobody", "[mesh]") {
  Bench bench(1);
  for (int i = 0; i < 5; ++i) {
    const auto out = bench.next();
    CHECK(out.pings.empty());
    CHECK(out.accused.empty());
  }
}

TEST_CASE("probe: each member is probed once a round, and within 2N - 1 periods", "[mesh]") {
  Bench bench(8);
  std::set<NodeId> first_round;
  std::map<NodeId, int> last_seen;
  for (int period = 0; period < 70; ++period) {
    const Instant before = bench.now;
    const auto out = bench.next();
    REQUIRE(out.pings.size() == 1);
    REQUIRE(out.accused.empty());
    if (period > 0) REQUIRE(bench.now - before == bench.config.probe_every);
    const NodeId to = out.pings[0].to;
    REQUIRE(to != bench.actors[0].id());
    if (period < 7) first_round.insert(to);
    if (last_seen.contains(to)) REQUIRE(period - last_seen[to] <= 2 * 7 - 1);
    last_seen[to] = period;
    bench.acked(out.pings[0].number);
  }
  CHECK(first_round.size() == 7);
}

TEST_CASE("probe: who does not answer is asked for through others, then accused", "[mesh]") {
  Bench bench(8);
  auto out = bench.next();
  REQUIRE(out.pings.size() == 1);
  const NodeId silent = out.pings[0].to;
  const uint64_t number = out.pings[0].number;
  const Instant asked_at = bench.now;

  out = bench.next();
  CHECK(bench.now == asked_at + bench.config.probe_timeout);
  CHECK(out.pings.empty());
  CHECK(out.accused.empty());
  REQUIRE(out.ping_requests.size() == bench.config.indirect_probes);
  std::set<NodeId> helpers;
  for (const auto& request : out.ping_requests) {
    CHECK(request.target == silent);
    CHECK(request.number == number);
    CHECK(request.via != silent);
    CHECK(request.via != bench.actors[0].id());
    helpers.insert(request.via);
  }
  CHECK(helpers.size() == bench.config.indirect_probes);

  out = bench.next();
  CHECK(bench.now == asked_at + bench.config.probe_every);
  CHECK(out.accused == std::vector<NodeId>{silent});
  REQUIRE(out.pings.size() == 1);
  CHECK(out.pings[0].to != silent);
}

TEST_CASE("probe: an answer through others saves, a late or foreign number does not", "[mesh]") {
  Bench bench(4);
  auto out = bench.next();
  const uint64_t number = out.pings[0].number;
  const NodeId first = out.pings[0].to;
  bench.next();
  SECTION("in time") {
    bench.acked(number);
    CHECK(bench.next().accused.empty());
  }
  SECTION("somebody else's number") {
    bench.acked(number + 1000);
    CHECK(bench.next().accused == std::vector<NodeId>{first});
  }
  SECTION("after the period") {
    CHECK(bench.next().accused.size() == 1);
    bench.acked(number);
    bench.next();
    CHECK(bench.next().accused.size() == 1);
  }
}

TEST_CASE("probe: asked by another, it pings and passes the answer on once", "[mesh]") {
  Bench bench(3);
  Prober::Requests out;
  bench.prober.asked(bench.now, bench.actors[1].id(), 77, bench.actors[2].id(), out);
  REQUIRE(out.pings.size() == 1);
  CHECK(out.pings[0].to == bench.actors[2].id());
  const auto answer = bench.acked(out.pings[0].number);
  REQUIRE(answer.acks.size() == 1);
  CHECK(answer.acks[0].to == bench.actors[1].id());
  CHECK(answer.acks[0].number == 77);
  CHECK(bench.acked(out.pings[0].number).acks.empty());
}

TEST_CASE("probe: requests for others are bounded and forgotten in time", "[mesh]") {
  Bench bench(3);
  Prober::Requests out;
  for (uint64_t i = 0; i < 5000; ++i) {
    bench.prober.asked(bench.now, bench.actors[1].id(), i, bench.actors[2].id(), out);
  }
  CHECK(out.pings.size() == 1024);
  for (int i = 0; i < 8; ++i) {
    const auto next = bench.next();
    for (const auto& ping : next.pings) bench.acked(ping.number);
  }
  Prober::Requests later;
  bench.prober.asked(bench.now, bench.actors[1].id(), 1, bench.actors[2].id(), later);
  CHECK(later.pings.size() == 1);
  CHECK(bench.acked(out.pings[0].number).acks.empty());
}

TEST_CASE("probe: the dead and departed are left alone", "[mesh]") {
  Bench bench(4);
  bench.membership.receive(bench.now, make_statement(bench.actors[1].crypto, bench.actors[1].id(),
                                                     0, MemberState::kLeft));
  bench.membership.accuse(bench.now, bench.actors[2].id());
  bench.membership.advance(test::at_ms(60'000));
  REQUIRE(bench.membership.live_count() == 2);
  for (int i = 0; i < 10; ++i) {
    const auto out = bench.next();
    REQUIRE(out.pings.size() == 1);
    CHECK(out.pings[0].to == bench.actors[3].id());
    bench.acked(out.pings[0].number);
  }
}

TEST_CASE("probe: after a stall of its own loop it accuses nobody", "[mesh]") {
  Bench bench(4);
  const auto out = bench.next();
  REQUIRE(out.pings.size() == 1);
  // Both deadlines passed while this node slept; the answer may be waiting in its inbox.
  bench.now = bench.now + Duration::seconds(5);
  Prober::Requests late;
  bench.prober.advance(bench.now, bench.membership, late);
  CHECK(late.accused.empty());
}

TEST_CASE("probe: after a stall nobody is accused for what lies unread", "[mesh]") {
  Bench bench(4);
  Prober::Requests requests;
  while (requests.pings.empty()) {
    bench.prober.advance(bench.now, bench.membership, requests);
    bench.now = bench.now + Duration::milliseconds(10);
  }
  bench.now = bench.now + Duration::seconds(5);
  bench.prober.excuse(bench.now);
  requests = {};
  bench.prober.advance(bench.now, bench.membership, requests);
  CHECK(requests.accused.empty());
}

TEST_CASE("probe: who misses answers waits longer before it accuses", "[mesh]") {
  Awareness awareness;
  const Duration timeout = Duration::milliseconds(200);
  CHECK(awareness.patience(timeout) == timeout);
  for (int i = 0; i < 20; ++i) awareness.poorly();
  CHECK(awareness.score() == Awareness::kWorst);
  CHECK(awareness.patience(timeout) == timeout * 8);
  for (int i = 0; i < 20; ++i) awareness.well();
  CHECK(awareness.patience(timeout) == timeout);
}
