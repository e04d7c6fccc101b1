#include "mesh/election.hpp"

#include <catch2/catch.hpp>
#include <deque>
#include <memory>

#include "mesh/rng.hpp"
#include "tests/support/members.hpp"

using namespace dagz;
using namespace dagz::mesh;
using test::Actor;
using test::at_ms;

namespace {

// One node: its view of who is here and of who schedules.
struct Party {
  const Actor& self;
  Config config;
  Membership membership;
  Election election;

  Party(const Actor& actor, const std::vector<const Actor*>& others, int64_t started_ms = 0)
      : self(actor),
        membership(config, actor.crypto, actor.profile,
                   [](Instant, const Member&, MemberChange) {}),
        election(config, at_ms(started_ms)) {
    for (const Actor* other : others) meet(*other);
  }

  void meet(const Actor& other) { membership.introduce(Instant{}, other.profile); }
  void lose(const Actor& other, int64_t ms) {
    membership.accuse(at_ms(ms) - Duration::seconds(60), other.id());
    membership.advance(at_ms(ms));
  }
  bool advance(int64_t ms) { return election.advance(at_ms(ms), membership); }
  bool hears(const Claim& claim, int64_t ms = 0) {
    return election.receive(at_ms(ms), claim, membership);
  }
  bool schedules() const { return election.is_scheduler(self.id()); }
  bool follows(const Actor& other) const { return election.is_scheduler(other.id()); }
};

// Everybody acts and says its own claim to everybody, until nothing changes.
void settle(const std::vector<Party*>& parties, int64_t ms) {
  for (int round = 0; round < 10; ++round) {
    for (Party* party : parties) party->advance(ms);
    for (Party* from : parties) {
      if (!from->schedules()) continue;
      const Claim claim = from->election.claim();
      for (Party* to : parties) {
        if (to != from) to->hears(claim, ms);
      }
    }
  }
}

}  // namespace

TEST_CASE("election: a lone node claims once it has settled", "[mesh]") {
  const Actor a(1);
  Party party(a, {}, 1000);
  CHECK(party.election.next_deadline() == at_ms(1250));
  CHECK_FALSE(party.advance(1249));
  CHECK_FALSE(party.election.claim().exists());
  CHECK(party.advance(1250));
  CHECK(party.schedules());
  CHECK(party.election.claim() == a.own_claim());
  CHECK_FALSE(party.advance(1251));
  CHECK_FALSE(party.advance(100'000));
  CHECK(party.election.next_deadline() == Instant::never());
}

TEST_CASE("election: who is about to meet others waits, and then leaves an elder one its time",
          "[mesh]") {
  const Actor young(1, 11);
  const Actor elder(7, 10);
  Party party(young, {});
  party.election.postpone(at_ms(900));
  CHECK_FALSE(party.advance(899));
  party.meet(elder);
  CHECK_FALSE(party.advance(900));
  CHECK_FALSE(party.advance(1899));
  CHECK(party.advance(1900));
  party.election.postpone(at_ms(5000));  // too late
  CHECK(party.schedules());
}

TEST_CASE("election: of those that start together the eldest claims, the others wait", "[mesh]") {
  const Actor eldest(7, 10);
  const Actor young(1, 11);
  Party a(eldest, {&young});
  Party b(young, {&eldest});
  CHECK(a.advance(250));
  CHECK_FALSE(b.advance(250));
  CHECK(b.hears(a.election.claim()));
  CHECK(b.follows(eldest));
  CHECK_FALSE(b.advance(5000));
}

TEST_CASE("election: when the eldest does not claim, somebody else does after a while", "[mesh]") {
  const Actor eldest(7, 10);
  const Actor young(1, 11);
  Party b(young, {&eldest});
  CHECK_FALSE(b.advance(250));
  CHECK(b.election.next_deadline() == at_ms(1250));
  CHECK_FALSE(b.advance(1249));
  CHECK(b.advance(1250));
  CHECK(b.schedules());
}

TEST_CASE("election: an incumbent stays when an elder arrives", "[mesh]") {
  const Actor incumbent(1, 100);
  const Actor elder(2, 50);
  Party a(incumbent, {});
  a.advance(250);
  a.meet(elder);
  Party b(elder, {&incumbent}, 5000);
  CHECK(b.hears(a.election.claim()));
  settle({&a, &b}, 4'000);
  CHECK(a.schedules());
  CHECK(b.follows(incumbent));
}

TEST_CASE("election: a claim is adopted only as its claimant can have said it", "[mesh]") {
  const Actor a(1);
  const Actor b(2);
  const Actor stranger(3);
  Party party(a, {&b});
  CHECK_FALSE(party.hears(Claim{}));
  CHECK_FALSE(party.hears(stranger.own_claim()));
  Claim wrong_birth = b.own_claim();
  wrong_birth.scheduler.wall_ms = 0;
  CHECK_FALSE(party.hears(wrong_birth));
  CHECK_FALSE(party.election.claim().exists());
  party.lose(b, 0);
  CHECK_FALSE(party.hears(b.own_claim()));
  CHECK(party.advance(250));
  CHECK(party.schedules());
}

TEST_CASE("election: the eldest survivor takes over with the next term", "[mesh]") {
  const Actor first(1);
  const Actor second(2);
  const Actor third(3);
  Party b(second, {&first, &third});
  Party c(third, {&first, &second});
  const Claim claim = first.own_claim();
  CHECK(b.hears(claim));
  CHECK(c.hears(claim));
  b.lose(first, 100'000);
  c.lose(first, 100'000);
  CHECK(b.advance(100'000));
  CHECK_FALSE(c.advance(100'000));
  CHECK(b.election.claim() == second.claim_after(claim));
  CHECK(c.hears(b.election.claim()));
  CHECK(c.follows(second));
  // The first comes back and says what it said before.
  CHECK_FALSE(c.hears(claim));
  CHECK_FALSE(b.hears(claim));
}

TEST_CASE("election: the one before learns that it was replaced", "[mesh]") {
  const Actor first(1);
  const Actor second(2);
  Party a(first, {&second});
  a.advance(250);
  REQUIRE(a.schedules());
  CHECK(a.hears(second.claim_after(first.own_claim())));
  CHECK_FALSE(a.schedules());
  CHECK(a.follows(second));
  CHECK_FALSE(a.advance(4000));
}

TEST_CASE("election: the older lineage wins a merge, whatever the terms", "[mesh]") {
  const Actor a(1);
  const Actor b(2);
  Party left(a, {});
  Party right(b, {});
  left.advance(250);
  right.advance(250);
  // The younger half has been through many schedulers.
  const Claim younger{b.birth(), 9, b.birth()};
  CHECK(right.hears(younger) == true);
  left.meet(b);
  right.meet(a);
  CHECK_FALSE(left.hears(right.election.claim()));
  CHECK(right.hears(left.election.claim()));
  CHECK(left.schedules());
  CHECK(right.follows(a));
}

TEST_CASE("election: two successors at once end with one, the earlier born", "[mesh]") {
  const Actor first(1);
  const Actor second(2);
  const Actor third(3);
  Party b(second, {&first});
  Party c(third, {&first});
  const Claim claim = first.own_claim();
  b.hears(claim);
  c.hears(claim);
  // They do not see each other yet, and both lose the first.
  b.lose(first, 100'000);
  c.lose(first, 100'000);
  CHECK(b.advance(100'000));
  CHECK(c.advance(100'000));
  b.meet(third);
  c.meet(second);
  settle({&b, &c}, 101'000);
  CHECK(b.schedules());
  CHECK(c.follows(second));
}

TEST_CASE("election: a term never goes back within a lineage", "[mesh]") {
  const Actor first(1);
  const Actor second(2);
  const Actor third(3);
  Party c(third, {&first, &second});
  const Claim one = first.own_claim();
  const Claim two = second.claim_after(one);
  c.hears(one);
  c.hears(two);
  c.lose(second, 100'000);
  // The first says its old claim again while the seat is vacant.
  CHECK_FALSE(c.hears(one));
  c.lose(first, 100'000);
  CHECK(c.advance(100'000));
  CHECK(c.election.claim().term == 3);
}

TEST_CASE("election: a successor born before the lineage is followed", "[mesh]") {
  // Its clock is behind, or it came late to a mesh that had not waited.
  const Actor founder(1, 100);
  const Actor elder(2, 50);
  const Actor other(3, 200);
  Party b(elder, {&founder, &other});
  Party c(other, {&founder, &elder});
  b.hears(founder.own_claim());
  c.hears(founder.own_claim());
  b.lose(founder, 100'000);
  c.lose(founder, 100'000);
  settle({&b, &c}, 100'000);
  CHECK(b.schedules());
  CHECK(c.follows(elder));
}

TEST_CASE("election: the orphan of an older lineage is not left alone", "[mesh]") {
  // It lost its own scheduler and meets the elder scheduler of a younger lineage.
  const Actor founder(1);
  const Actor elder(2);
  const Actor orphan(3);
  Party b(elder, {});
  b.advance(250);
  REQUIRE(b.schedules());
  Party c(orphan, {&founder});
  c.hears(founder.own_claim());
  c.lose(founder, 100'000);
  b.meet(orphan);
  c.meet(elder);
  // With the logs comes word of the founder's claim, if it had handed out anything.
  SECTION("the founder had handed out work") {
    b.election.heard(at_ms(100'000), founder.own_claim());
  }
  SECTION("the founder had handed out nothing yet") {}
  settle({&b, &c}, 100'000);
  CHECK(b.election.claim() == c.election.claim());
  CHECK((b.schedules() || c.schedules()));
}

TEST_CASE("election: a claim that is not repeated lapses, though its claimant lives", "[mesh]") {
  // The claimant stepped down for one that left before these two ever heard of it.
  const Actor elder(1);
  const Actor younger(2);
  const Actor claimant(3);
  Party b(elder, {&claimant, &younger});
  Party c(younger, {&claimant, &elder});
  for (Party* party : {&b, &c}) REQUIRE(party->hears(claimant.own_claim(), 100));
  SECTION("repeated in time it holds") {
    CHECK_FALSE(b.hears(claimant.own_claim(), 5000));
    CHECK_FALSE(b.advance(5100));
    CHECK(b.follows(claimant));
    CHECK(b.election.next_deadline() == at_ms(10'000));
  }
  SECTION("then the eldest takes over") {
    CHECK_FALSE(c.advance(5100));
    CHECK(c.follows(claimant));
    CHECK(c.election.next_deadline() == Instant::never());
    CHECK(b.advance(5100));
    CHECK(b.schedules());
    CHECK(c.hears(b.election.claim(), 5200));
    CHECK(c.follows(elder));
  }
}

TEST_CASE("election: what was heard of a claim is not adopted, but outbid", "[mesh]") {
  const Actor founder(1);
  const Actor self(2);
  Party party(self, {});
  party.advance(250);
  REQUIRE(party.schedules());
  SECTION("of one that is gone") {
    party.election.heard(at_ms(500), founder.own_claim(4));
    CHECK(party.schedules());
    CHECK(party.advance(1000));
    CHECK(party.election.claim() == Claim{founder.birth(), 5, self.birth()});
  }
  SECTION("of one that is here and will speak for itself") {
    party.meet(founder);
    party.election.heard(at_ms(500), founder.own_claim(4));
    CHECK_FALSE(party.advance(1000));
    CHECK(party.hears(founder.own_claim(4)));
    CHECK(party.follows(founder));
  }
  SECTION("of one that is here and has given its claim up for one that is gone by now") {
    party.meet(founder);
    party.election.heard(at_ms(500), founder.own_claim(4));
    CHECK_FALSE(party.advance(5499));
    CHECK(party.election.next_deadline() == at_ms(5500));
    CHECK(party.advance(5500));
    CHECK(party.election.claim() == Claim{founder.birth(), 5, self.birth()});
  }
  SECTION("of a younger line") {
    party.election.heard(at_ms(500), Actor(3).own_claim(9));
    CHECK_FALSE(party.advance(1000));
    CHECK(party.election.claim() == self.own_claim());
  }
}

TEST_CASE("election: a term beyond any that a job can see is not believed", "[mesh]") {
  const Actor founder(1);
  const Actor self(2);
  Party party(self, {&founder});
  CHECK_FALSE(party.hears(founder.own_claim(kTermMax + 1)));
  CHECK(party.hears(founder.own_claim(4)));
  party.election.heard(at_ms(500), founder.own_claim(kTermMax));
  party.lose(founder, 1000);
  CHECK(party.advance(1000));
  CHECK(party.election.claim() == Claim{founder.birth(), 5, self.birth()});
}

TEST_CASE("election: nobody uses up the terms of a lineage", "[mesh]") {
  const Actor founder(1);
  const Actor greedy(2);
  const Actor self(3);
  Party party(self, {&founder, &greedy});
  REQUIRE(party.hears(founder.own_claim(4)));
  const auto claim = [&](const Birth& lineage, uint64_t term) {
    return Claim{lineage, term, greedy.birth()};
  };
  SECTION("by a leap ahead of the known ones") {
    CHECK_FALSE(party.hears(claim(founder.birth(), kTermMax)));
    CHECK_FALSE(party.hears(claim(founder.birth(), 4 + kTermJumpMax + 1)));
    CHECK(party.follows(founder));
    CHECK(party.hears(claim(founder.birth(), 4 + kTermJumpMax)));
    party.lose(greedy, 100'000);
    party.lose(founder, 100'000);
    CHECK(party.advance(100'000));
    CHECK(party.election.claim().term == 4 + kTermJumpMax + 1);
  }
  SECTION("of an older lineage, which nobody knows") {
    const Birth older{-5, test::numbered_id(9)};
    CHECK_FALSE(party.hears(claim(older, kTermMax)));
    CHECK_FALSE(party.hears(claim(older, kTermMax - kTermJumpMax)));
    CHECK(party.hears(claim(older, kTermJumpMax)));
  }
  SECTION("by what others have heard") {
    for (const uint64_t term : {kTermMax - 1, uint64_t{4} + kTermJumpMax + 1}) {
      party.election.heard(at_ms(500), claim(founder.birth(), term));
      party.election.heard(at_ms(500), claim({-5, test::numbered_id(9)}, term));
    }
    party.lose(greedy, 100'000);
    party.lose(founder, 100'000);
    CHECK(party.advance(100'000));
    CHECK(party.election.claim() == Claim{founder.birth(), 5, self.birth()});
  }
  SECTION("before a newcomer knows any") {
    Party newcomer(self, {&founder, &greedy});
    CHECK_FALSE(newcomer.hears(claim(founder.birth(), kTermMax)));
    CHECK(newcomer.hears(claim(founder.birth(), kTermMax - kTermJumpMax)));
    newcomer.lose(greedy, 100'000);
    newcomer.lose(founder, 100'000);
    CHECK(newcomer.advance(100'000));
    // And those that knew the one before follow.
    Party other(founder, {&self, &greedy});
    CHECK(other.hears(claim(founder.birth(), kTermMax - kTermJumpMax)));
    CHECK(other.hears(newcomer.election.claim()));
    CHECK(other.follows(self));
  }
}

TEST_CASE("election: who comes late follows a lineage that has seen many schedulers", "[mesh]") {
  const Actor founder(1);
  const Actor acting(2);
  const Actor late(3);
  const Claim running{founder.birth(), 50'000, acting.birth()};
  SECTION("one that has claimed nothing yet") {
    Party party(late, {&acting});
    CHECK(party.hears(running));
    CHECK(party.follows(acting));
  }
  SECTION("one that was cut off while others took over") {
    Party party(late, {&founder, &acting});
    CHECK(party.hears(Claim{founder.birth(), 50'000 - kTermJumpMax, founder.birth()}));
    CHECK(party.hears(running));
    CHECK(party.follows(acting));
  }
  SECTION("half of a split mesh whose scheduler is of a younger lineage") {
    Party party(late, {});
    CHECK(party.advance(250));
    party.meet(acting);
    CHECK(party.hears(Claim{founder.birth(), kTermJumpMax, acting.birth()}));
    CHECK(party.follows(acting));
  }
}

TEST_CASE("election: a scheduler that begins again is followed", "[mesh]") {
  const Actor a(1);
  const Actor b(2);
  Party party(a, {&b});
  Party other(b, {&a});
  CHECK(party.advance(250));
  CHECK(other.hears(party.election.claim()));
  party.election.claim_anew(at_ms(300));
  CHECK(party.election.claim() == a.own_claim(2));
  CHECK(other.hears(party.election.claim()));
  CHECK(other.follows(a));
}

TEST_CASE("election: who has left claims nothing", "[mesh]") {
  const Actor a(1);
  Party party(a, {});
  party.membership.leave(at_ms(0));
  CHECK_FALSE(party.advance(10'000));
  CHECK_FALSE(party.election.claim().exists());
}

TEST_CASE("election: an archivist claims nothing, succeeds nobody and is not believed", "[mesh]") {
  const Actor archivist(1, 1, 1, Role::kArchivist);
  const Actor a(2);
  const Actor b(3);
  Party keeper(archivist, {});
  CHECK_FALSE(keeper.advance(250));
  CHECK_FALSE(keeper.advance(100'000));
  CHECK(keeper.election.next_deadline() == Instant::never());

  keeper.meet(a);
  Party first(a, {&archivist, &b});
  Party second(b, {&archivist, &a});
  // The archivist is the eldest of all, and nobody waits for it.
  CHECK(first.advance(250));
  CHECK_FALSE(second.hears(archivist.own_claim()));
  CHECK(second.hears(a.own_claim()));
  CHECK(keeper.hears(a.own_claim()));
  second.lose(a, 60'000);
  CHECK(second.advance(60'000));
  keeper.lose(a, 60'000);
  CHECK_FALSE(keeper.advance(60'000));
  keeper.meet(b);
  CHECK(keeper.hears(second.election.claim(), 60'001));
  CHECK(keeper.follows(b));
}

TEST_CASE("election: any meshes that merge end with one scheduler, whatever the order", "[mesh]") {
  std::deque<Actor> actors;
  for (uint64_t i = 1; i <= 6; ++i) actors.emplace_back(i);
  for (uint64_t seed = 0; seed < 300; ++seed) {
    INFO("seed " << seed);
    Rng rng(seed);
    std::vector<std::unique_ptr<Party>> parties;
    std::vector<Party*> all;
    std::vector<uint64_t> side;
    for (const Actor& actor : actors) {
      parties.push_back(std::make_unique<Party>(actor, std::vector<const Actor*>{}));
      all.push_back(parties.back().get());
      side.push_back(rng.below(3));
    }
    const auto introduce = [&](auto related) {
      for (std::size_t i = 0; i < actors.size(); ++i) {
        for (std::size_t j = 0; j < actors.size(); ++j) {
          if (i != j && related(i, j)) parties[i]->meet(actors[j]);
        }
      }
    };
    introduce([&](std::size_t i, std::size_t j) { return side[i] == side[j]; });
    for (uint64_t group = 0; group < 3; ++group) {
      std::vector<Party*> members;
      for (std::size_t i = 0; i < actors.size(); ++i) {
        if (side[i] == group) members.push_back(parties[i].get());
      }
      settle(members, 2000);
    }
    introduce([](std::size_t, std::size_t) { return true; });
    rng.shuffle(all);
    settle(all, 3000);
    for (const auto& party : parties) {
      REQUIRE(party->election.claim() == parties[0]->election.claim());
      REQUIRE(party->election.claim().exists());
      // The eldest of all founded its side, so its lineage is the oldest.
      REQUIRE(party->follows(actors[0]));
    }
  }
}
