#pragma once

#include <string>
#include <type_traits>
#include <variant>

#include "mesh/archive.hpp"
#include "mesh/envelope.hpp"
#include "mesh/message.hpp"
#include "sched/message.hpp"

// Everything that members say to one another. The alternatives are numbered on the wire by their
// place: append only.

namespace dagz {

// An observer asks (`dagz mesh`, `dagz report`); any member answers with JSON.
struct Query {
  enum class Kind : uint8_t { kMesh = 0, kReport = 1 } kind = Kind::kMesh;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(kind);
  }
};

struct QueryAnswer {
  std::string json;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(bounded(json, mesh::kBulkMessageMax));
  }
};

using Message =
    std::variant<mesh::Ping, mesh::Ack, mesh::PingRequest, mesh::Rumours, mesh::PushPull,
                 mesh::Announce, mesh::LogDigest, mesh::LogPush, sched::NamesWanted,
                 sched::StealRequest, sched::WorkerReport, sched::StopRequest, Query, QueryAnswer,
                 mesh::StateDigest, mesh::Relayed>;

// What moves no work and hands out none: it needs no signature of its own. Statements, profiles,
// batches of logs and relayed words are signed inside.
inline mesh::EnvelopeKind envelope_of(const Message& message) {
  const bool upkeep = std::visit(
      [](const auto& one) {
        using One = std::decay_t<decltype(one)>;
        return std::is_same_v<One, mesh::Ping> || std::is_same_v<One, mesh::Ack> ||
               std::is_same_v<One, mesh::PingRequest> || std::is_same_v<One, mesh::Rumours> ||
               std::is_same_v<One, mesh::PushPull> || std::is_same_v<One, mesh::StateDigest> ||
               std::is_same_v<One, mesh::LogDigest> || std::is_same_v<One, mesh::LogPush> ||
               std::is_same_v<One, mesh::Relayed>;
      },
      message);
  return upkeep ? mesh::EnvelopeKind::kUpkeep : mesh::EnvelopeKind::kMessage;
}

}  // namespace dagz
