#include "mesh/membership.hpp"

#include <catch2/catch.hpp>
#include <deque>
#include <vector>

#include "mesh/rng.hpp"
#include "tests/support/members.hpp"

using namespace dagz;
using namespace dagz::mesh;
using test::Actor;
using test::at_ms;

namespace {

// One node's view of a mesh of actors, with what it said about changes.
struct View {
  Config config;
  std::vector<MemberChange> changes;
  Membership membership;

  View(const Actor& self, const std::vector<const Actor*>& others)
      : membership(
            config, self.crypto, self.profile,
            [this](Instant, const Member&, MemberChange change) { changes.push_back(change); }) {
    for (const Actor* other : others) membership.introduce(Instant{}, other->profile);
    changes.clear();
  }

  const Member& of(const Actor& actor) const { return *membership.find(actor.id()); }
  bool hears(const Statement& statement, int64_t ms = 0) {
    return membership.receive(at_ms(ms), statement);
  }
};

Statement says(const Actor& author, const Actor& subject, Incarnation incarnation,
               MemberState state) {
  return make_statement(author.crypto, subject.id(), incarnation, state);
}

constexpr auto kAlive = MemberState::kAlive;
constexpr auto kSuspect = MemberState::kSuspect;
constexpr auto kDead = MemberState::kDead;
constexpr auto kLeft = MemberState::kLeft;

// A view in which the subject (incarnation 5) is in the given state.
void bring(View& view, const Actor& subject, const Actor& accuser, MemberState state) {
  view.hears(says(subject, subject, 5, kAlive));
  if (state == kSuspect || state == kDead) view.hears(says(accuser, subject, 5, kSuspect));
  if (state == kDead) view.membership.advance(at_ms(60'000));
  if (state == kLeft) view.hears(says(subject, subject, 5, kLeft));
  REQUIRE(view.of(subject).state == state);
  REQUIRE(view.of(subject).incarnation == 5);
}

}  // namespace

TEST_CASE("membership: every state meets every statement", "[mesh]") {
  struct Row {
    MemberState before;
    MemberState said;
    Incarnation incarnation;
    MemberState after;
    Incarnation incarnation_after;
  };
  // Old statements change nothing, at equal incarnation the later state wins, and somebody else's
  // "dead" is no more than a suspicion.
  const std::vector<Row> table{
      {kAlive, kAlive, 4, kAlive, 5},       {kAlive, kAlive, 5, kAlive, 5},
      {kAlive, kAlive, 6, kAlive, 6},       {kAlive, kSuspect, 4, kAlive, 5},
      {kAlive, kSuspect, 5, kSuspect, 5},   {kAlive, kDead, 4, kAlive, 5},
      {kAlive, kDead, 5, kSuspect, 5},      {kAlive, kLeft, 4, kAlive, 5},
      {kAlive, kLeft, 5, kLeft, 5},         {kAlive, kLeft, 6, kLeft, 6},
      {kSuspect, kAlive, 4, kSuspect, 5},   {kSuspect, kAlive, 5, kSuspect, 5},
      {kSuspect, kAlive, 6, kAlive, 6},     {kSuspect, kSuspect, 4, kSuspect, 5},
      {kSuspect, kSuspect, 5, kSuspect, 5}, {kSuspect, kDead, 5, kSuspect, 5},
      {kSuspect, kLeft, 5, kLeft, 5},       {kSuspect, kLeft, 6, kLeft, 6},
      {kDead, kAlive, 4, kDead, 5},         {kDead, kAlive, 5, kDead, 5},
      {kDead, kAlive, 6, kAlive, 6},        {kDead, kSuspect, 5, kDead, 5},
      {kDead, kDead, 5, kDead, 5},          {kDead, kLeft, 4, kDead, 5},
      {kDead, kLeft, 5, kLeft, 5},          {kLeft, kAlive, 5, kLeft, 5},
      {kLeft, kSuspect, 5, kLeft, 5},       {kLeft, kDead, 5, kLeft, 5},
      {kLeft, kLeft, 5, kLeft, 5},
  };
  const Actor self(1);
  const Actor subject(2);
  const Actor accuser(3);
  for (const Row& row : table) {
    INFO("before " << static_cast<int>(row.before) << ", said " << static_cast<int>(row.said)
                   << " at " << row.incarnation);
    View view(self, {&subject, &accuser});
    bring(view, subject, accuser, row.before);
    const bool accusation = row.said == kSuspect || row.said == kDead;
    CHECK(view.hears(says(accusation ? accuser : subject, subject, row.incarnation, row.said)));
    CHECK(view.of(subject).state == row.after);
    CHECK(view.of(subject).incarnation == row.incarnation_after);
    const bool lives = row.after == kAlive || row.after == kSuspect;
    CHECK(view.membership.live_count() == (lives ? 3 : 2));
  }
}

TEST_CASE("membership: a duplicate changes nothing and is not told on", "[mesh]") {
  const Actor self(1);
  const Actor b(2);
  const Actor c(3);
  View view(self, {&b, &c});
  const Statement suspect = says(c, b, 0, kSuspect);
  REQUIRE(view.hears(suspect));
  CHECK(view.changes == std::vector<MemberChange>{MemberChange::kSuspected});
  view.membership.gossip().take(10, 1);
  const Instant deadline = view.membership.next_deadline();
  CHECK(view.hears(suspect, 500));
  CHECK(view.changes.size() == 1);
  CHECK(view.membership.gossip().empty());
  CHECK(view.membership.next_deadline() == deadline);
}

TEST_CASE("membership: a suspect refutes with a higher incarnation", "[mesh]") {
  const Actor self(1);
  const Actor b(2);
  View mine(self, {&b});
  View theirs(b, {&self});
  const Statement suspect = says(b, self, 0, kSuspect);
  theirs.hears(suspect);
  CHECK(mine.hears(suspect));
  const Member& me = mine.membership.self();
  CHECK(me.state == kAlive);
  CHECK(me.incarnation == 1);
  const auto rumours = mine.membership.gossip().take(10, 10);
  REQUIRE(rumours.size() == 1);
  CHECK(theirs.hears(rumours[0]));
  CHECK(theirs.of(self).state == kAlive);
  CHECK(theirs.changes.back() == MemberChange::kCleared);
  // Said again, the old accusation is old.
  CHECK(mine.hears(suspect));
  CHECK(mine.membership.self().incarnation == 1);
}

TEST_CASE("membership: an accusation ahead of the own incarnation is a lie", "[mesh]") {
  const Actor self(1);
  const Actor b(2);
  View view(self, {&b});
  CHECK(view.hears(says(b, self, 40, kDead)));
  CHECK(view.membership.self().incarnation == 0);
  CHECK(view.membership.self().state == kAlive);
}

TEST_CASE("membership: who has left does not object", "[mesh]") {
  const Actor self(1);
  const Actor b(2);
  View view(self, {&b});
  view.membership.leave(at_ms(1));
  const auto rumours = view.membership.gossip().take(10, 1);
  REQUIRE(rumours.size() == 1);
  CHECK(rumours[0].state == kLeft);
  CHECK(view.membership.live_count() == 1);
  CHECK(view.hears(says(b, self, 0, kSuspect)));
  CHECK(view.hears(says(b, self, 7, kSuspect)));
  CHECK(view.membership.self().state == kLeft);
  CHECK(view.membership.self().incarnation == 0);
  CHECK(view.membership.gossip().empty());
  view.membership.leave(at_ms(2));
  CHECK(view.membership.gossip().empty());
}

TEST_CASE("membership: what is forged or comes from a stranger is refused", "[mesh]") {
  const Actor self(1);
  const Actor b(2);
  const Actor c(3);
  const Actor stranger(4);
  View view(self, {&b, &c});
  Statement forged = says(b, c, 0, kSuspect);
  forged.signature.bytes[0] ^= 1;
  CHECK_FALSE(view.hears(forged));
  CHECK_FALSE(view.hears(says(stranger, c, 0, kSuspect)));
  CHECK_FALSE(view.hears(says(b, stranger, 0, kSuspect)));
  // Nobody else can say that somebody lives or left.
  CHECK_FALSE(view.hears(says(b, c, 1, kAlive)));
  CHECK_FALSE(view.hears(says(b, c, 1, kLeft)));
  // Nor can anybody speak in another's name.
  Statement posing = says(b, c, 1, kLeft);
  posing.author = c.id();
  CHECK_FALSE(view.hears(posing));
  CHECK_FALSE(view.hears(says(b, c, 0, static_cast<MemberState>(9))));
  CHECK(view.of(c).state == kAlive);
  CHECK(view.of(c).incarnation == 0);
  CHECK(view.changes.empty());
  CHECK(view.membership.gossip().empty());
}

TEST_CASE("membership: an incarnation that jumps too far is refused", "[mesh]") {
  const Actor self(1);
  const Actor b(2);
  View view(self, {&b});
  CHECK_FALSE(view.hears(says(b, b, kIncarnationJumpMax + 1, kAlive)));
  CHECK_FALSE(view.hears(says(b, b, UINT64_MAX, kAlive)));
  CHECK(view.of(b).incarnation == 0);
  CHECK(view.hears(says(b, b, kIncarnationJumpMax, kAlive)));
  CHECK(view.of(b).incarnation == kIncarnationJumpMax);
}

TEST_CASE("membership: a liar cannot push a member's incarnation out of its own reach", "[mesh]") {
  const Actor self(1);
  const Actor victim(2);
  const Actor liar(3);
  View mine(self, {&victim, &liar});
  View victims(victim, {&self, &liar});
  mine.hears(says(liar, victim, kIncarnationJumpMax, kSuspect));
  mine.hears(says(liar, victim, 2 * kIncarnationJumpMax, kSuspect));
  // The victim is told what is held against it and answers, as often as it likes.
  for (int round = 0; round < 3; ++round) {
    for (const Statement& one : mine.membership.gossip().take(10, 1)) victims.hears(one);
    if (mine.of(victim).state != kAlive) victims.hears(mine.of(victim).statement);
    for (const Statement& one : victims.membership.gossip().take(10, 1)) mine.hears(one);
  }
  mine.membership.advance(at_ms(60'000));
  CHECK(mine.of(victim).state == kAlive);
}

TEST_CASE("membership: no single accuser kills", "[mesh]") {
  const Actor self(1);
  const Actor b(2);
  const Actor liar(3);
  View view(self, {&b, &liar});
  const Config config;
  // However often and loudly it says so: the longest time runs, and there is time to object.
  for (int i = 0; i < 10; ++i) {
    view.hears(says(liar, b, 0, i % 2 == 0 ? kSuspect : kDead), i);
    CHECK(view.of(b).state == kSuspect);
  }
  CHECK(view.membership.next_deadline() == Instant{} + config.suspicion_max);
  view.membership.advance(Instant{} + config.suspicion_max - Duration::milliseconds(1));
  CHECK(view.of(b).state == kSuspect);
  CHECK(view.hears(says(b, b, 1, kAlive)));
  view.membership.advance(at_ms(60'000));
  CHECK(view.of(b).state == kAlive);
  CHECK(view.membership.next_deadline() == Instant::never());
}

TEST_CASE("membership: independent accusers shorten the time to object", "[mesh]") {
  const Actor self(1);
  const Actor b(2);
  const Actor c(3);
  const Actor d(4);
  const Actor e(5);
  const Config config;
  View view(self, {&b, &c, &d, &e});
  view.membership.accuse(at_ms(0), b.id());
  Instant before = view.membership.next_deadline();
  CHECK(before == Instant{} + config.suspicion_max);
  for (const Actor* accuser : {&c, &d, &e}) {
    view.hears(says(*accuser, b, 0, accuser == &d ? kDead : kSuspect));
    CHECK(view.membership.next_deadline() < before);
    before = view.membership.next_deadline();
  }
  CHECK(before == Instant{} + config.suspicion_min);
  view.membership.advance(before);
  CHECK(view.of(b).state == kDead);
  CHECK(view.changes == std::vector<MemberChange>{MemberChange::kSuspected, MemberChange::kDied});
}

TEST_CASE("membership: the own prober's accusation is told on, and once", "[mesh]") {
  const Actor self(1);
  const Actor b(2);
  View view(self, {&b});
  view.membership.accuse(at_ms(0), b.id());
  REQUIRE(view.membership.gossip().size() == 1);
  const auto told = view.membership.gossip().take(1, 1);
  CHECK(told[0].author == self.id());
  CHECK(verify_statement(b.crypto, self.profile.key, told[0]));
  view.membership.accuse(at_ms(500), b.id());
  CHECK(view.membership.gossip().empty());
  // Nobody accuses itself or somebody unknown.
  view.membership.accuse(at_ms(600), self.id());
  view.membership.accuse(at_ms(600), test::numbered_id(77));
  CHECK(view.membership.self().state == kAlive);
  CHECK(view.membership.gossip().empty());
}

TEST_CASE("membership: the dead returns by its own word only", "[mesh]") {
  const Actor self(1);
  const Actor b(2);
  const Actor c(3);
  View view(self, {&b, &c});
  bring(view, b, c, kDead);
  CHECK(view.membership.live_count() == 2);
  view.membership.accuse(at_ms(70'000), b.id());
  CHECK(view.of(b).state == kDead);
  CHECK(view.hears(says(b, b, 6, kAlive)));
  CHECK(view.changes.back() == MemberChange::kReturned);
  CHECK(view.membership.live_count() == 3);
}

TEST_CASE("membership: a member is introduced once, itself never", "[mesh]") {
  const Actor self(1);
  const Actor b(2);
  View view(self, {});
  CHECK(view.membership.introduce(at_ms(1), b.profile));
  CHECK_FALSE(view.membership.introduce(at_ms(2), b.profile));
  CHECK_FALSE(view.membership.introduce(at_ms(2), self.profile));
  CHECK(view.membership.live_count() == 2);
  CHECK(view.changes == std::vector<MemberChange>{MemberChange::kJoined});
  // An introduction does not wake the dead.
  view.hears(says(b, b, 0, kLeft));
  CHECK_FALSE(view.membership.introduce(at_ms(3), b.profile));
  CHECK(view.of(b).state == kLeft);
}

TEST_CASE("membership: the eldest is the first born of those that take part", "[mesh]") {
  const Actor self(5);
  const Actor eldest(9, 1);
  const Actor second(8, 2);
  View view(self, {&eldest, &second});
  CHECK(view.membership.eldest()->profile.id == eldest.id());
  view.hears(says(second, eldest, 0, kSuspect));
  CHECK(view.membership.eldest()->profile.id == eldest.id());
  view.membership.advance(at_ms(60'000));
  CHECK(view.membership.eldest()->profile.id == second.id());
  view.hears(says(second, second, 0, kLeft));
  CHECK(view.membership.eldest()->profile.id == self.id());
}

TEST_CASE("membership: an archivist takes part, but is not among those that work", "[mesh]") {
  const Actor self(5);
  const Actor archivist(1, 1, 1, Role::kArchivist);
  View view(self, {&archivist});
  CHECK(view.membership.live_count() == 2);
  CHECK(view.membership.working_count() == 1);
  CHECK(view.membership.eldest()->profile.id == self.id());
  view.hears(says(archivist, archivist, 0, kLeft));
  CHECK(view.membership.live_count() == 1);
  CHECK(view.membership.working_count() == 1);
  view.hears(says(archivist, archivist, 1, kAlive));
  CHECK(view.membership.working_count() == 1);
  view.membership.leave(at_ms(1));
  CHECK(view.membership.live_count() == 1);
  CHECK(view.membership.working_count() == 0);
  CHECK(view.membership.eldest() == nullptr);
}

TEST_CASE("membership: who missed an incarnation believes its accusation with the owner's word",
          "[mesh]") {
  const Actor a(1);
  const Actor b(2);
  const Actor c(3);
  View view(a, {&b, &c});
  bring(view, b, c, kDead);
  View late(c, {&a, &b});
  const std::vector<Statement> statements = statements_of(view.of(b));
  REQUIRE(statements.size() == 2);
  CHECK(late.hears(statements[1]));
  CHECK(late.of(b).state == kAlive);
  CHECK(late.of(b).incarnation == 0);
  for (const Statement& statement : statements) CHECK(late.hears(statement));
  CHECK(late.of(b).state == kSuspect);
  CHECK(late.of(b).incarnation == 5);
  // Nothing more is needed where nobody accuses, or nobody has objected.
  CHECK(statements_of(view.of(c)).size() == 1);
  View other(a, {&b, &c});
  other.hears(says(c, b, 0, kSuspect));
  CHECK(statements_of(other.of(b)).size() == 1);
}

TEST_CASE("membership: all views agree once every rumour is told, in any order", "[mesh]") {
  std::deque<Actor> actors;
  for (uint64_t i = 1; i <= 6; ++i) actors.emplace_back(i);
  for (uint64_t seed = 0; seed < 200; ++seed) {
    INFO("seed " << seed);
    Rng rng(seed);
    std::deque<View> views;
    for (const Actor& self : actors) {
      std::vector<const Actor*> others;
      for (const Actor& other : actors) others.push_back(&other);
      views.emplace_back(self, others);
    }
    // Random accusations and one departure; rumours reach everybody, shuffled and doubled.
    views[5].membership.leave(at_ms(0));
    for (int step = 0; step < 20; ++step) {
      const std::size_t who = rng.below(5);
      views[who].membership.accuse(at_ms(step), actors[rng.below(6)].id());
      std::vector<Statement> told;
      for (View& view : views) {
        for (const Statement& one : view.membership.gossip().take(10, 1)) told.push_back(one);
      }
      for (View& view : views) {
        rng.shuffle(told);
        for (const Statement& one : told) view.hears(one, step);
        for (const Statement& one : told) view.hears(one, step);
      }
    }
    for (int round = 0; round < 3; ++round) {
      for (View& from : views) {
        for (const Statement& one : from.membership.gossip().take(10, 1)) {
          for (View& to : views) to.hears(one, 100);
        }
      }
    }
    for (const View& view : views) {
      for (std::size_t i = 0; i < 6; ++i) {
        REQUIRE(view.of(actors[i]).state == (i == 5 ? kLeft : kAlive));
        REQUIRE(view.of(actors[i]).incarnation == views[0].of(actors[i]).incarnation);
      }
    }
  }
}

TEST_CASE("membership: two refused redials end a member at once, everywhere", "[mesh]") {
  const Actor a(1);
  const Actor b(2);
  const Actor c(3);
  const Actor gone(4);
  View at_a(a, {&b, &c, &gone});
  View at_b(b, {&a, &c, &gone});
  at_a.membership.accuse(at_ms(10), gone.id(), true);
  CHECK(at_a.of(gone).state == kSuspect);
  at_b.membership.accuse(at_ms(12), gone.id(), true);
  for (const Statement& rumour : at_a.membership.gossip().take(10, 9)) at_b.hears(rumour, 13);
  CHECK(at_b.of(gone).state == kDead);
  // The verdict stands for the suspicion that it replaced.
  for (const Statement& rumour : at_b.membership.gossip().take(10, 9)) at_a.hears(rumour, 14);
  CHECK(at_a.of(gone).state == kDead);
}

TEST_CASE("membership: who is said to be refused objects like any suspect", "[mesh]") {
  const Actor a(1);
  const Actor b(2);
  const Actor alive(3);
  View view(a, {&b, &alive});
  view.membership.accuse(at_ms(10), alive.id(), true);
  REQUIRE(view.of(alive).state == kSuspect);
  view.hears(says(alive, alive, 1, kAlive), 20);
  CHECK(view.of(alive).state == kAlive);
  // The refusals of before are forgotten.
  view.hears(make_statement(b.crypto, alive.id(), 1, kSuspect, true), 30);
  CHECK(view.of(alive).state == kSuspect);
}

TEST_CASE("membership: equal views have equal digests", "[mesh]") {
  const Actor a(1);
  const Actor b(2);
  const Actor c(3);
  View at_a(a, {&b, &c});
  View at_b(b, {&c, &a});
  CHECK(at_a.membership.digest() == at_b.membership.digest());
  at_a.hears(says(c, c, 1, kAlive));
  CHECK(at_a.membership.digest() != at_b.membership.digest());
  at_b.hears(says(c, c, 1, kAlive));
  CHECK(at_a.membership.digest() == at_b.membership.digest());
}
