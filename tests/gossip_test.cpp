#include "mesh/gossip.hpp"

#include <catch2/catch.hpp>
#include <map>

#include "mesh/statement.hpp"
#include "tests/support/members.hpp"

using namespace dagz;
using namespace dagz::mesh;
using test::numbered_id;

namespace {

Statement about(uint8_t subject, Incarnation incarnation = 0) {
  return {numbered_id(subject), incarnation, MemberState::kSuspect, false, numbered_id(99), {}};
}

}  // namespace

TEST_CASE("gossip: the limit grows with the logarithm of the members", "[mesh]") {
  CHECK(transmit_limit(4, 0) == 0);
  CHECK(transmit_limit(4, 1) == 4);
  CHECK(transmit_limit(4, 2) == 8);
  CHECK(transmit_limit(4, 3) == 8);
  CHECK(transmit_limit(4, 4) == 12);
  CHECK(transmit_limit(4, 7) == 12);
  CHECK(transmit_limit(4, 1000) == 40);
}

TEST_CASE("gossip: a rumour is told as often as its limit, then dropped", "[mesh]") {
  GossipQueue<Statement> queue;
  queue.push(numbered_id(1), about(1));
  for (int i = 0; i < 3; ++i) {
    INFO(i);
    CHECK_FALSE(queue.empty());
    CHECK(queue.take(10, 3).size() == 1);
  }
  CHECK(queue.empty());
  CHECK(queue.take(10, 3).empty());
}

TEST_CASE("gossip: the newest rumour of a subject replaces the older and is told anew", "[mesh]") {
  GossipQueue<Statement> queue;
  queue.push(numbered_id(1), about(1, 1));
  queue.take(1, 3);
  queue.take(1, 3);
  queue.push(numbered_id(1), about(1, 2));
  CHECK(queue.size() == 1);
  for (int i = 0; i < 3; ++i) {
    const auto taken = queue.take(1, 3);
    REQUIRE(taken.size() == 1);
    CHECK(taken[0].incarnation == 2);
  }
  CHECK(queue.empty());
}

TEST_CASE("gossip: the least told goes first, ties by subject", "[mesh]") {
  GossipQueue<Statement> queue;
  for (const uint8_t subject : {uint8_t{3}, uint8_t{1}, uint8_t{2}})
    queue.push(numbered_id(subject), about(subject));
  auto taken = queue.take(2, 10);
  REQUIRE(taken.size() == 2);
  CHECK(taken[0].subject == numbered_id(1));
  CHECK(taken[1].subject == numbered_id(2));
  taken = queue.take(2, 10);
  REQUIRE(taken.size() == 2);
  CHECK(taken[0].subject == numbered_id(3));
  CHECK(taken[1].subject == numbered_id(1));
}

TEST_CASE("gossip: many rumours share the room, each is told to its limit", "[mesh]") {
  GossipQueue<Statement> queue;
  for (uint8_t subject = 0; subject < 100; ++subject)
    queue.push(numbered_id(subject), about(subject));
  std::map<NodeId, int> told;
  int rounds = 0;
  while (!queue.empty()) {
    for (const Statement& one : queue.take(16, 5)) ++told[one.subject];
    REQUIRE(++rounds < 1000);
  }
  CHECK(told.size() == 100);
  for (const auto& [subject, count] : told) CHECK(count == 5);
}
