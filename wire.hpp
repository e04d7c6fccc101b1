#pragma once

#include <string>
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

}  // namespace dagz
