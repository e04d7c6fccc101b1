#include "report/verdict.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>

#include "mesh/rng.hpp"

// The verdict is a function of the set of outcomes and of nothing else.

namespace {

using dagz::Rng;
using dagz::report::Bucket;
using dagz::report::bucket_of;
using dagz::report::decide;
using dagz::report::is_failure;
using dagz::report::kOutcomeCount;
using dagz::report::Outcome;
using dagz::report::Verdict;

Outcome random_outcome(Rng& rng) { return static_cast<Outcome>(rng.below(kOutcomeCount)); }

}  // namespace

TEST_CASE("verdict: one outcome decides, and failures are retried while tries are left",
          "[report]") {
  struct Row {
    Outcome outcome;
    Verdict open;
    Verdict final;
  };
  const Row rows[] = {
      {Outcome::kPassed, Verdict::kOk, Verdict::kOk},
      {Outcome::kFailed, Verdict::kRetry, Verdict::kFailed},
      {Outcome::kError, Verdict::kRetry, Verdict::kError},
      {Outcome::kSkipped, Verdict::kSkipped, Verdict::kSkipped},
      {Outcome::kXfailed, Verdict::kXfail, Verdict::kXfail},
      {Outcome::kXpassed, Verdict::kXpass, Verdict::kXpass},
      {Outcome::kTimedOut, Verdict::kRetry, Verdict::kTimeout},
      {Outcome::kCrashed, Verdict::kRetry, Verdict::kCrashed},
  };
  for (const Row& row : rows) {
    CAPTURE(to_string(row.outcome));
    CHECK(decide({row.outcome}, false) == row.open);
    CHECK(decide({row.outcome}, true) == row.final);
  }
}

TEST_CASE("verdict: without an outcome a test is pending, even in the end", "[report]") {
  CHECK(decide({}, false) == Verdict::kPending);
  CHECK(decide({}, true) == Verdict::kPending);
}

TEST_CASE("verdict: a pass and a fail in any order is flaky", "[report]") {
  for (const Outcome failure :
       {Outcome::kFailed, Outcome::kError, Outcome::kTimedOut, Outcome::kCrashed}) {
    for (const bool final : {false, true}) {
      CHECK(decide({failure, Outcome::kPassed}, final) == Verdict::kOkFlaky);
      CHECK(decide({Outcome::kPassed, failure}, final) == Verdict::kOkFlaky);
      CHECK(decide({failure, Outcome::kXpassed}, final) == Verdict::kOkFlaky);
    }
  }
}

TEST_CASE("verdict: neither a skip nor an expected failure makes up for a failure", "[report]") {
  for (const Outcome outcome : {Outcome::kSkipped, Outcome::kXfailed}) {
    CHECK(decide({Outcome::kFailed, outcome}, true) == Verdict::kFailed);
    CHECK(decide({outcome, Outcome::kFailed}, true) == Verdict::kFailed);
    CHECK(decide({Outcome::kFailed, outcome}, false) == Verdict::kRetry);
  }
}

TEST_CASE("verdict: the worst failure gives its name", "[report]") {
  CHECK(decide({Outcome::kFailed, Outcome::kError}, true) == Verdict::kError);
  CHECK(decide({Outcome::kError, Outcome::kTimedOut}, true) == Verdict::kTimeout);
  CHECK(decide({Outcome::kCrashed, Outcome::kTimedOut, Outcome::kFailed}, true) ==
        Verdict::kCrashed);
}

TEST_CASE("verdict: order and repetition never matter", "[report]") {
  Rng rng(20'260'517);
  for (int round = 0; round < 2'000; ++round) {
    std::vector<Outcome> outcomes;
    for (uint64_t i = rng.below(6); i > 0; --i) outcomes.push_back(random_outcome(rng));
    for (const bool final : {false, true}) {
      const Verdict verdict = decide(outcomes, final);
      std::vector<Outcome> other = outcomes;
      if (!other.empty()) other.push_back(other[rng.below(other.size())]);
      rng.shuffle(other);
      CHECK(decide(other, final) == verdict);
      const bool failed = std::any_of(outcomes.begin(), outcomes.end(),
                                      [](Outcome outcome) { return is_failure(outcome); });
      if (!failed) CHECK_FALSE(is_failure(verdict));
      if (!final) CHECK_FALSE(is_failure(verdict));
    }
  }
}

TEST_CASE("verdict: a further outcome never turns a flaky test into anything else", "[report]") {
  Rng rng(7);
  std::vector<Outcome> outcomes = {Outcome::kPassed, Outcome::kFailed};
  for (int i = 0; i < 50; ++i) {
    outcomes.push_back(random_outcome(rng));
    CHECK(decide(outcomes, i % 2 == 0) == Verdict::kOkFlaky);
  }
}

TEST_CASE("verdict: buckets follow pytest's JUnit files", "[report]") {
  CHECK(bucket_of(Verdict::kXfail) == Bucket::kSkipped);
  CHECK(bucket_of(Verdict::kXpass) == Bucket::kPassed);
  CHECK(bucket_of(Verdict::kTimeout) == Bucket::kFailed);
  CHECK(bucket_of(Verdict::kCrashed) == Bucket::kFailed);
  CHECK(bucket_of(Verdict::kError) == Bucket::kErrors);
  CHECK(bucket_of(Verdict::kRetry) == Bucket::kUnfinished);
  CHECK(bucket_of(Verdict::kRedundant) == Bucket::kRedundant);
}
