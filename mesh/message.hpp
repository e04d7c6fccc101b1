#pragma once

#include <cstdint>
#include <vector>

#include "mesh/archive.hpp"
#include "mesh/election.hpp"
#include "mesh/ledger.hpp"
#include "mesh/link.hpp"
#include "mesh/profile.hpp"
#include "mesh/statement.hpp"

// What members say to one another about the mesh. README.md has the table: who sends which, when.

namespace dagz::mesh {

inline constexpr std::size_t kStatementsMax = 256;
inline constexpr std::size_t kNewcomersMax = 256;
inline constexpr std::size_t kRecordsMax = 12'000;
// Of the longest ones so many fit a message that goes through a third.
inline constexpr std::size_t kRecordsWrittenMax = 500;
inline constexpr std::size_t kBatchesMax = 4096;
inline constexpr std::size_t kPositionsMax = 12'000;

// The first message on every link, both ways.
struct Hello {
  Profile profile;
  Lane lane = Lane::kControl;
  bool answer = false;
  LinkId link = 0;  // the sender's number: tells it which dial led back to itself

  template <class Archive>
  void serialize(Archive& archive) {
    archive(profile, lane, answer, link);
  }
};

struct Ping {
  uint64_t number = 0;
  std::vector<Statement> rumours;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(number, bounded(rumours, kStatementsMax));
  }
};

struct Ack {
  uint64_t number = 0;
  std::vector<Statement> rumours;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(number, bounded(rumours, kStatementsMax));
  }
};

// Please ping the target for me.
struct PingRequest {
  uint64_t number = 0;
  NodeId target;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(number, target);
  }
};

struct Rumours {
  std::vector<Statement> rumours;
  std::vector<Profile> newcomers;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(bounded(rumours, kStatementsMax), bounded(newcomers, kNewcomersMax));
  }
};

struct MemberRecord {
  Profile profile;
  Statement statement;  // zero subject: as introduced

  template <class Archive>
  void serialize(Archive& archive) {
    archive(profile, statement);
  }
};

// What the sender knows of members and of logs, in brief: who knows otherwise answers with its own
// view or positions, and so a steady mesh costs the same however large it is.
struct StateDigest {
  uint64_t view = 0;
  uint64_t logs = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(view, logs);
  }
};

// The view or a part of it, and the wish for the other's.
struct PushPull {
  bool answer = false;
  std::vector<MemberRecord> records;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(answer, bounded(records, kRecordsMax));
  }
};

// A scheduler's own claim, said by itself.
struct Announce {
  Claim claim;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(claim);
  }
};

// "I hold this much of each log"; whoever has more sends it, and asks back where it has less.
struct LogDigest {
  bool answer = false;
  std::vector<LogPosition> positions;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(answer, bounded(positions, kPositionsMax));
  }
};

// For a member to which its author has no link; `box` is an encrypted envelope.
struct Relayed {
  NodeId from;
  NodeId to;
  Buffer box;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(from, to, bounded(box, kControlMessageMax));
  }
};

struct LogPush {
  std::vector<LogBatch> batches;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(bounded(batches, kBatchesMax));
  }
};

}  // namespace dagz::mesh
