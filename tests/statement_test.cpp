#include "mesh/statement.hpp"

#include <catch2/catch.hpp>

#include "tests/support/members.hpp"

using namespace dagz;
using namespace dagz::mesh;
using test::Actor;

TEST_CASE("statement: who may say what of whom", "[mesh]") {
  const Actor a(1);
  const Actor b(2);
  struct Row {
    MemberState state;
    bool of_itself;
    bool of_others;
  };
  for (const Row& row :
       {Row{MemberState::kAlive, true, false}, Row{MemberState::kLeft, true, false},
        Row{MemberState::kSuspect, false, true}, Row{MemberState::kDead, false, true},
        Row{static_cast<MemberState>(4), false, false},
        Row{static_cast<MemberState>(255), false, false}}) {
    INFO("state " << static_cast<int>(row.state));
    CHECK(verify_statement(a.crypto, a.profile.key,
                           make_statement(a.crypto, a.id(), 1, row.state)) == row.of_itself);
    CHECK(verify_statement(a.crypto, a.profile.key,
                           make_statement(a.crypto, b.id(), 1, row.state)) == row.of_others);
  }
}

TEST_CASE("statement: every field is under the signature", "[mesh]") {
  const Actor a(1);
  const Actor b(2);
  const Actor c(3);
  const Statement good = make_statement(a.crypto, b.id(), 7, MemberState::kSuspect);
  REQUIRE(verify_statement(b.crypto, a.profile.key, good));
  Statement bad = good;
  bad.subject = c.id();
  CHECK_FALSE(verify_statement(b.crypto, a.profile.key, bad));
  bad = good;
  bad.incarnation = 8;
  CHECK_FALSE(verify_statement(b.crypto, a.profile.key, bad));
  bad = good;
  bad.state = MemberState::kDead;
  CHECK_FALSE(verify_statement(b.crypto, a.profile.key, bad));
  bad = good;
  bad.author = c.id();
  CHECK_FALSE(verify_statement(b.crypto, a.profile.key, bad));
  bad = good;
  bad.signature.bytes[0] ^= 1;
  CHECK_FALSE(verify_statement(b.crypto, a.profile.key, bad));
  CHECK_FALSE(verify_statement(b.crypto, c.profile.key, good));
}

TEST_CASE("statement: one of another run means nothing here", "[mesh]") {
  const Actor here(1, 1, 1);
  const Actor there(1, 1, 2);
  const Statement foreign = make_statement(there.crypto, there.id(), 1, MemberState::kAlive);
  CHECK_FALSE(verify_statement(here.crypto, there.profile.key, foreign));
}
