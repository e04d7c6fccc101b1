#pragma once

#include <vector>

#include "mesh/envelope.hpp"
#include "tests/support/jobs.hpp"
#include "wire.hpp"

// One filled-in value of everything that travels: for the tests of the codec, and as the seeds of
// its fuzzer.

namespace dagz::test {

inline std::vector<report::Entry> sample_entries() {
  const NodeId a = numbered_id(1);
  const NodeId b = numbered_id(2);
  report::Finished failed = finished(77, 2, report::Outcome::kFailed);
  failed.message = "assert 1 == 2";
  failed.output = "trace\n";
  failed.properties = {{"requirement", "R-7"}, {"seconds", "1.5"}};
  report::Closed end = closed(a, report::CloseReason::kStopped);
  end.detail = "stopped after 1 failure";
  end.lost = {b};
  end.positions = {{a, 12}, {b, 3}};
  return {report::Opened{"host", "https://ci/1", 2, "https://dagz"},
          report::Offered{77},
          listed(77, "tests/test_a.py", 3),
          report::Grouped{77, "database", {0, 2}},
          report::CollectionFailed{"tests/test_b.py", "ImportError"},
          report::Collected{},
          report::Unable{4, "no pytest"},
          named(2),
          report::Enlisted{b, 1, 4, 4},
          report::Planned{Duration::seconds(9)},
          granted(a, b, {{77, 0, 2}, {77, 2, 1}}, true),
          report::Recalled{claim_by(a), b, 5, Duration::milliseconds(300)},
          report::GaveUp{5, {{77, 1, 1}}},
          failed,
          report::Draining{claim_by(a)},
          report::Drained{claim_by(a)},
          report::Departed{"interrupted"},
          end,
          report::Found{{{78, "tests/test_c.py", 4096}}},
          report::Expanded{78, {77}},
          report::Missing{{{77, 1, 1}}},
          report::Settled{claim_by(a), {{77, 2, 1}}},
          report::Required{77, true, 2, "database", 50, {1, 2}},
          report::Redundant{1'700'000'000'000, {{77, 0, 2}}, Duration::milliseconds(40)},
          report::Remembered{"job/1/1700000000000-01", "j0101.1", 1'700'000'000'000, 2},
          report::PassedBefore{"job/1/1700000000000-01", 1'700'000'000'000, {7, UINT64_MAX}},
          report::Began{3, {{77, 1, 2}}},
          report::Poisoned{claim_by(a), 77, 1, {{b, 3}}}};
}

inline mesh::LogBatch sample_batch() {
  const Actor author(3);
  mesh::LogBatch batch;
  batch.origin = author.id();
  batch.first = 300;
  batch.entries = {encode(sample_entries()[1]), encode(sample_entries()[13])};
  batch.signature = author.crypto.sign(batch.entries[0]);
  return batch;
}

inline std::vector<Message> sample_messages() {
  const Actor a(1);
  const Actor b(2);
  const mesh::Statement suspect =
      mesh::make_statement(a.crypto, b.id(), 3, mesh::MemberState::kSuspect);
  report::WorkerStatus status;
  status.number = 3;
  status.state = report::WorkerState::kActive;
  status.current = "tests/test_a.py::t1";
  return {mesh::Ping{7, {suspect}},
          mesh::Ack{7, {suspect, suspect}},
          mesh::PingRequest{8, b.id()},
          mesh::Rumours{{suspect}, {a.profile}},
          mesh::PushPull{true, {{a.profile, {}}, {b.profile, suspect}}},
          mesh::Announce{a.own_claim(4)},
          mesh::LogDigest{false, {{a.id(), 12}, {b.id(), 300}}},
          mesh::LogPush{{sample_batch()}},
          sched::NamesWanted{{77, UINT64_MAX}},
          sched::StealRequest{},
          sched::WorkerReport{{status}},
          sched::StopRequest{"interrupted"},
          Query{Query::Kind::kReport},
          QueryAnswer{"{\"term\":1}"},
          mesh::StateDigest{0x1234'5678'9abc'def0, 7},
          mesh::Relayed{numbered_id(1), numbered_id(2), {1, 2, 3}}};
}

inline Buffer sample_hello() {
  const Actor a(1);
  return mesh::seal_envelope(a.crypto, mesh::EnvelopeKind::kHello, {}, 1,
                             encode(mesh::Hello{a.profile, mesh::Lane::kBulk, true}));
}

}  // namespace dagz::test
