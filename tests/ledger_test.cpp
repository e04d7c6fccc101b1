#include "mesh/ledger.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <deque>
#include <map>

#include "mesh/rng.hpp"
#include "tests/support/members.hpp"

using namespace dagz;
using namespace dagz::mesh;
using test::Actor;
using Verdict = Ledger::Verdict;

namespace {

Buffer entry(uint64_t value) { return encode(value); }

// Appends the values and seals them as one batch.
LogBatch write(Ledger& ledger, const std::vector<uint64_t>& values) {
  for (const uint64_t value : values) ledger.append(entry(value));
  const LogBatch* batch = ledger.flush();
  REQUIRE(batch != nullptr);
  return *batch;
}

// What a ledger hands out, per log.
std::map<NodeId, std::vector<uint64_t>> drained(Ledger& ledger) {
  std::map<NodeId, std::vector<uint64_t>> out;
  ledger.drain([&](const NodeId& origin, uint64_t index, const Buffer& bytes) {
    REQUIRE(index == out[origin].size());
    uint64_t value = 0;
    REQUIRE(decode(bytes, value));
    out[origin].push_back(value);
  });
  return out;
}

struct Pair {
  Actor a{1};
  Actor b{2};
  Ledger author{a.crypto};
  Ledger reader{b.crypto};

  Verdict give(const LogBatch& batch) { return reader.accept(batch, a.profile.key); }
};

}  // namespace

TEST_CASE("ledger: the own log is readable at once and leaves as one signed batch", "[mesh]") {
  Pair pair;
  CHECK(pair.author.flush() == nullptr);
  pair.author.append(entry(1));
  pair.author.append(entry(2));
  CHECK(pair.author.has_pending());
  CHECK(pair.author.length(pair.a.id()) == 0);
  CHECK(drained(pair.author)[pair.a.id()] == std::vector<uint64_t>{1, 2});
  CHECK_FALSE(pair.author.has_unread());
  const LogBatch* batch = pair.author.flush();
  REQUIRE(batch != nullptr);
  CHECK(batch->entries.size() == 2);
  CHECK(batch->first == 0);
  CHECK(pair.author.length(pair.a.id()) == 2);
  CHECK(pair.author.flush() == nullptr);
  CHECK_FALSE(pair.author.has_unread());
}

TEST_CASE("ledger: batches form a chain that another can follow", "[mesh]") {
  Pair pair;
  const LogBatch first = write(pair.author, {1, 2});
  const LogBatch second = write(pair.author, {3});
  CHECK(second.first == 2);
  CHECK(second.previous != first.previous);
  CHECK(pair.give(first) == Verdict::kAppended);
  CHECK(pair.give(second) == Verdict::kAppended);
  CHECK(pair.give(first) == Verdict::kKnown);
  CHECK(drained(pair.reader)[pair.a.id()] == std::vector<uint64_t>{1, 2, 3});
  CHECK(pair.reader.positions() == pair.author.positions());
}

TEST_CASE("ledger: a batch survives a journey", "[mesh]") {
  Pair pair;
  LogBatch back;
  REQUIRE(decode(encode(write(pair.author, {1, 2})), back));
  CHECK(pair.give(back) == Verdict::kAppended);
}

TEST_CASE("ledger: what comes too early is a gap, and waits for what it follows", "[mesh]") {
  Pair pair;
  const NodeId a = pair.a.id();
  const LogBatch first = write(pair.author, {1, 2});
  const LogBatch second = write(pair.author, {3});
  const LogBatch third = write(pair.author, {4});
  CHECK(pair.give(second) == Verdict::kGap);
  CHECK(pair.reader.length(a) == 0);
  CHECK_FALSE(pair.reader.has_unread());
  SECTION("one") {
    CHECK(pair.give(first) == Verdict::kAppended);
    CHECK(drained(pair.reader)[a] == std::vector<uint64_t>{1, 2, 3});
    CHECK(pair.give(second) == Verdict::kKnown);
    CHECK(pair.give(third) == Verdict::kAppended);
    CHECK(pair.reader.positions() == pair.author.positions());
  }
  SECTION("of two the last") {
    CHECK(pair.give(third) == Verdict::kGap);
    CHECK(pair.give(first) == Verdict::kAppended);
    CHECK(pair.reader.length(a) == 2);
    CHECK(pair.give(second) == Verdict::kAppended);
    CHECK(drained(pair.reader)[a] == std::vector<uint64_t>{1, 2, 3, 4});
  }
  SECTION("nothing that is forged") {
    LogBatch forged = second;
    forged.signature.bytes[0] ^= 1;
    CHECK(pair.give(forged) == Verdict::kGap);
    CHECK(pair.give(first) == Verdict::kAppended);
    CHECK(drained(pair.reader)[a] == std::vector<uint64_t>{1, 2});
    CHECK(pair.give(second) == Verdict::kAppended);
  }
  SECTION("not with another story") {
    Ledger other_story(pair.a.crypto);
    Ledger reader(pair.b.crypto);
    write(other_story, {1, 7});
    CHECK(reader.accept(write(other_story, {3}), pair.a.profile.key) == Verdict::kGap);
    CHECK(reader.accept(first, pair.a.profile.key) == Verdict::kForked);
    CHECK(reader.is_shut_out(a));
  }
}

TEST_CASE("ledger: batches_from names those of one log", "[mesh]") {
  Pair pair;
  write(pair.author, {1, 2});
  write(pair.author, {3});
  const auto firsts = [&](uint64_t from) {
    std::vector<uint64_t> out;
    for (const LogBatch& one : pair.author.batches_from(pair.a.id(), from))
      out.push_back(one.first);
    return out;
  };
  CHECK(firsts(0) == std::vector<uint64_t>{0, 2});
  CHECK(firsts(2) == std::vector<uint64_t>{2});
  CHECK(firsts(3).empty());
  CHECK(pair.author.batches_from(pair.b.id(), 0).empty());
}

TEST_CASE("ledger: nothing forged is believed, and the author does not suffer for it", "[mesh]") {
  Pair pair;
  const LogBatch good = write(pair.author, {1, 2});
  LogBatch bad = good;
  bad.entries[0] = entry(9);
  CHECK(pair.give(bad) == Verdict::kForged);
  bad = good;
  bad.signature.bytes[0] ^= 1;
  CHECK(pair.give(bad) == Verdict::kForged);
  bad = good;
  bad.entries.clear();
  CHECK(pair.give(bad) == Verdict::kForged);
  bad = good;
  std::swap(bad.entries[0], bad.entries[1]);
  CHECK(pair.give(bad) == Verdict::kForged);
  bad = good;
  bad.previous.bytes[0] ^= 1;
  CHECK(pair.give(bad) == Verdict::kForged);
  CHECK(pair.reader.accept(good, pair.b.profile.key) == Verdict::kForged);
  // Moving bytes from one entry to the next is a change, too.
  bad = good;
  bad.entries = {Buffer{}, Buffer{1, 2}};
  CHECK(pair.give(bad) == Verdict::kForged);
  CHECK(pair.give(good) == Verdict::kAppended);
  // Forged words about a place that is known already.
  bad = good;
  bad.entries[0] = entry(9);
  bad.signature.bytes[0] ^= 1;
  CHECK(pair.give(bad) == Verdict::kForged);
  CHECK_FALSE(pair.reader.is_shut_out(pair.a.id()));
}

TEST_CASE("ledger: nobody extends another's own log", "[mesh]") {
  Pair pair;
  Ledger second_life(pair.b.crypto);
  CHECK(pair.reader.accept(write(second_life, {1}), pair.b.profile.key) == Verdict::kKnown);
  CHECK(pair.reader.length(pair.b.id()) == 0);
  CHECK_FALSE(pair.reader.has_unread());
}

TEST_CASE("ledger: who signs two stories of one place is shut out", "[mesh]") {
  Pair pair;
  Ledger other_story(pair.a.crypto);
  const LogBatch first = write(pair.author, {1});
  write(other_story, {1});
  const LogBatch second = write(pair.author, {2});
  SECTION("the same place twice") {
    CHECK(pair.give(first) == Verdict::kAppended);
    CHECK(pair.give(second) == Verdict::kAppended);
    CHECK(pair.give(write(other_story, {7})) == Verdict::kForked);
  }
  SECTION("other cuts of the same entries") {
    Ledger other_cuts(pair.a.crypto);
    CHECK(pair.give(first) == Verdict::kAppended);
    CHECK(pair.give(write(other_cuts, {1, 2})) == Verdict::kForked);
  }
  SECTION("a chain that grew from something else") {
    Ledger other_root(pair.a.crypto);
    write(other_root, {8});
    CHECK(pair.give(first) == Verdict::kAppended);
    CHECK(pair.give(write(other_root, {9})) == Verdict::kForked);
  }
  CHECK(pair.reader.is_shut_out(pair.a.id()));
  // For good: not even its first story goes on.
  CHECK(pair.give(second) == Verdict::kForked);
  const uint64_t length = pair.reader.length(pair.a.id());
  CHECK(pair.give(write(pair.author, {3})) == Verdict::kForked);
  CHECK(pair.reader.length(pair.a.id()) == length);
  CHECK_FALSE(pair.reader.is_shut_out(pair.b.id()));
}

TEST_CASE("ledger: two batches prove a fork to everybody, whatever they hold", "[mesh]") {
  Pair pair;
  const Actor c(3);
  Ledger other_story(pair.a.crypto);
  std::vector<LogBatch> told{write(pair.author, {1}), write(pair.author, {2, 3})};
  std::vector<LogBatch> other_told;
  SECTION("the same place twice") {
    other_told = {write(other_story, {1}), write(other_story, {7}), write(other_story, {8})};
  }
  SECTION("other cuts of the same entries") {
    other_told = {write(other_story, {1, 2}), write(other_story, {3})};
  }
  SECTION("a chain that grew from something else") {
    other_told = {write(other_story, {9}), write(other_story, {2, 3}), write(other_story, {4})};
  }
  for (const LogBatch& batch : told) REQUIRE(pair.give(batch) == Verdict::kAppended);
  for (const LogBatch& batch : other_told) pair.give(batch);
  REQUIRE(pair.reader.is_shut_out(pair.a.id()));
  const std::vector<LogBatch> proof = pair.reader.proof_against(pair.a.id());
  REQUIRE(proof.size() == 2);
  // It is left out of all that is compared or sent.
  CHECK(pair.reader.positions().empty());
  CHECK(pair.reader.digest() == Ledger(c.crypto).digest());
  CHECK(pair.reader.missing_for({}, 1000).empty());
  CHECK_FALSE(pair.reader.lacks({{pair.a.id(), 99}}));
  CHECK(pair.reader.lacks({{c.id(), 1}}));

  for (const auto& story : {told, other_told}) {
    for (std::size_t held = 0; held <= story.size(); ++held) {
      Ledger ledger(c.crypto);
      for (std::size_t i = 0; i < held; ++i) ledger.accept(story[i], pair.a.profile.key);
      CHECK_FALSE(ledger.is_shut_out(pair.a.id()));
      CHECK(ledger.proof_against(pair.a.id()).empty());
      for (const LogBatch& batch : proof) ledger.accept(batch, pair.a.profile.key);
      CHECK(ledger.is_shut_out(pair.a.id()));
      CHECK(ledger.proof_against(pair.a.id()).size() == 2);
    }
  }
}

TEST_CASE("ledger: early batches that are forged prove nothing", "[mesh]") {
  Pair pair;
  write(pair.author, {1});
  const LogBatch early = write(pair.author, {2});
  LogBatch forged = early;
  forged.entries[0] = entry(9);
  LogBatch resigned = forged;
  resigned.signature.bytes[0] ^= 1;
  for (const LogBatch& batch : {early, forged, resigned, early, early}) {
    CHECK(pair.give(batch) == Verdict::kGap);
  }
  CHECK_FALSE(pair.reader.is_shut_out(pair.a.id()));
}

TEST_CASE("ledger: covers and lacks compare lengths", "[mesh]") {
  Pair pair;
  const LogBatch batch = write(pair.author, {1, 2});
  CHECK(pair.reader.covers({}));
  CHECK_FALSE(pair.reader.covers({{pair.a.id(), 2}}));
  CHECK(pair.reader.covers({{pair.a.id(), 0}}));
  CHECK(pair.reader.lacks({{pair.a.id(), 1}}));
  REQUIRE(pair.give(batch) == Verdict::kAppended);
  CHECK(pair.reader.covers({{pair.a.id(), 2}}));
  CHECK_FALSE(pair.reader.covers({{pair.a.id(), 3}}));
  CHECK_FALSE(pair.reader.covers({{pair.a.id(), 2}, {pair.b.id(), 1}}));
  CHECK_FALSE(pair.reader.lacks({{pair.a.id(), 2}}));
}

TEST_CASE("ledger: missing_for names whole batches, oldest first", "[mesh]") {
  Pair pair;
  const LogBatch first = write(pair.author, {1, 2});
  const LogBatch second = write(pair.author, {3});
  const auto firsts = [&](const std::vector<LogPosition>& theirs, std::size_t limit) {
    std::vector<uint64_t> out;
    for (const LogBatch& batch : pair.author.missing_for(theirs, limit)) out.push_back(batch.first);
    return out;
  };
  const NodeId a = pair.a.id();
  CHECK(firsts({}, 1000) == std::vector<uint64_t>{0, 2});
  CHECK(firsts({{a, 2}}, 1000) == std::vector<uint64_t>{2});
  CHECK(firsts({{a, 3}}, 1000).empty());
  CHECK(firsts({{a, 99}}, 1000).empty());
  // Who has half of a batch was told another story.
  CHECK(firsts({{a, 1}}, 1000) == std::vector<uint64_t>{0, 2});
  // One batch at least, or a large one would never travel.
  CHECK(firsts({}, 1) == std::vector<uint64_t>{0});
  CHECK(firsts({{a, 2}}, 0) == std::vector<uint64_t>{2});
}

TEST_CASE("ledger: a large pile is cut into batches within their limits", "[mesh]") {
  Pair pair;
  const std::size_t size = kEntryMax - 10;
  for (int i = 0; i < 5; ++i) pair.author.append(Buffer(size, static_cast<uint8_t>(i)));
  uint64_t entries = 0;
  while (const LogBatch* batch = pair.author.flush()) {
    std::size_t bytes = 0;
    for (const Buffer& one : batch->entries) bytes += one.size();
    CHECK(bytes <= kBatchBytesMax);
    CHECK(pair.give(*batch) == Verdict::kAppended);
    entries += batch->entries.size();
  }
  CHECK(entries == 5);
  CHECK(pair.reader.length(pair.a.id()) == 5);
}

TEST_CASE("ledger: read gives the sealed entries again, up to the lengths", "[mesh]") {
  Pair pair;
  pair.give(write(pair.author, {1, 2}));
  pair.give(write(pair.author, {3}));
  drained(pair.reader);
  std::vector<uint64_t> values;
  pair.reader.read({{pair.a.id(), 2}, {test::numbered_id(9), 5}},
                   [&](const NodeId& origin, const Buffer& bytes) {
                     CHECK(origin == pair.a.id());
                     uint64_t value = 0;
                     REQUIRE(decode(bytes, value));
                     values.push_back(value);
                   });
  CHECK(values == std::vector<uint64_t>{1, 2});
}

TEST_CASE("ledger: reconciliation ends in equality, whatever is lost or comes late", "[mesh]") {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    INFO("seed " << seed);
    Rng rng(seed);
    std::deque<Actor> actors;
    std::deque<Ledger> ledgers;
    std::map<NodeId, PublicKey> keys;
    std::map<NodeId, std::vector<uint64_t>> written;
    std::vector<std::map<NodeId, std::vector<uint64_t>>> read(5);
    for (uint64_t i = 0; i < 5; ++i) {
      actors.emplace_back(i + 1);
      ledgers.emplace_back(actors.back().crypto);
      keys[actors.back().id()] = actors.back().profile.key;
    }
    const auto exchange = [&](std::size_t from, std::size_t to, uint64_t loss_percent) {
      auto batches = ledgers[from].missing_for(ledgers[to].positions(), 1 + rng.below(60));
      if (loss_percent > 0) rng.shuffle(batches);
      for (const LogBatch& batch : batches) {
        if (rng.chance(loss_percent, 100)) continue;
        const Verdict verdict = ledgers[to].accept(batch, keys.at(batch.origin));
        REQUIRE(verdict != Verdict::kForged);
        REQUIRE(verdict != Verdict::kForked);
      }
    };
    const auto drain = [&](std::size_t who) {
      ledgers[who].drain([&](const NodeId& origin, uint64_t index, const Buffer& bytes) {
        uint64_t value = 0;
        REQUIRE(decode(bytes, value));
        REQUIRE(index == read[who][origin].size());
        read[who][origin].push_back(value);
      });
    };
    for (int step = 0; step < 300; ++step) {
      const std::size_t who = rng.below(5);
      if (rng.chance(1, 2)) {
        ledgers[who].append(entry(rng.next()));
        drain(who);
        written[actors[who].id()] = read[who][actors[who].id()];
        if (rng.chance(1, 3)) ledgers[who].flush();
      }
      exchange(rng.below(5), rng.below(5), 30);
      if (rng.chance(1, 4)) drain(rng.below(5));
    }
    for (Ledger& ledger : ledgers) ledger.flush();
    // No more loss: each round moves at least a batch wherever something is lacking.
    for (int round = 0; round < 200; ++round) {
      for (std::size_t i = 0; i < 5; ++i) exchange(i, (i + 1) % 5, 0);
    }
    for (std::size_t i = 0; i < 5; ++i) {
      drain(i);
      REQUIRE(ledgers[i].positions() == ledgers[0].positions());
      REQUIRE_FALSE(ledgers[i].lacks(ledgers[0].positions()));
      REQUIRE(read[i] == written);
    }
  }
}
