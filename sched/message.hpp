#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mesh/archive.hpp"
#include "report/entry.hpp"
#include "report/status.hpp"

// What nodes say to one another about work. All of these may be lost without harm: everything that
// counts is an entry in a log.

namespace dagz::sched {

inline constexpr std::size_t kStatusesMax = 4096;
inline constexpr std::size_t kNamesWantedMax = 65'536;

// Scheduler to a node: I do not know the names behind these files of yours.
struct NamesWanted {
  std::vector<report::FileKey> files;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(bounded(files, kNamesWantedMax));
  }
};

// Node to scheduler: I shall soon run dry.
struct StealRequest {
  template <class Archive>
  void serialize(Archive&) {}
};

// Node to scheduler, each second: how my workers are.
struct WorkerReport {
  std::vector<report::WorkerStatus> workers;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(bounded(workers, kStatusesMax));
  }
};

// Node to scheduler: end the job (interrupted here, or a test asked for it).
struct StopRequest {
  std::string reason;
  bool fails = false;  // because the session has failed

  template <class Archive>
  void serialize(Archive& archive) {
    archive(bounded(reason, report::kPathMax), fails);
  }
};

}  // namespace dagz::sched
