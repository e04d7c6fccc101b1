#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "commands/archived_run.hpp"
#include "commands/mesh_access.hpp"
#include "mesh/io/background.hpp"
#include "mesh/io/descriptor.hpp"
#include "mesh/io/discovery.hpp"
#include "mesh/io/run_watch.hpp"
#include "options/options.hpp"
#include "report/io/history.hpp"

// Joins runs as a member that runs no tests, and keeps their jobs in the history: the run of its
// own job key, and, where the trust root is not that of one run (a secret, the key of a rendezvous
// directory, this user's on this host), every run under that root which leaves its nodes' addresses
// in a directory that can be seen from here.

namespace dagz {

class Archivist {
 public:
  Archivist(std::shared_ptr<const MeshAccess> access, const NetworkOptions& network,
            const PlaceOptions& place);
  ~Archivist();  // leaves all runs, politely
  Archivist(const Archivist&) = delete;
  Archivist& operator=(const Archivist&) = delete;

  // Nothing on success, else a sentence. Says on stderr which runs it joins, and later what it has
  // kept.
  std::string start();

  // The jobs that run, as of about a second ago; the newest first. For the thread that made this.
  std::vector<std::shared_ptr<const report::JobSummary>> live();

 private:
  // A run that was seen: as a member, or what is known of it until a new node shows.
  struct Run {
    std::unique_ptr<ArchivedRun> joined;
    std::set<NodeId> known;  // nodes that were met, or sought in vain
    Instant left_at{INT64_MIN / 2};
    Instant seen_at;
  };

  void loop();
  void watch(Instant now);
  void sighted(Instant now, const std::string& identity, const NodeId& node);
  static void remember(Run& run, const NodeId& node);
  void join(Run& run, const std::string& identity);
  void leave(Instant now, Run& run);
  void keep(const report::JobSummary& summary);
  void forget_runs(Instant now);
  void show_live(Instant now);
  void wait(Instant until);

  std::shared_ptr<const MeshAccess> access_;
  NetworkOptions network_;
  report::History history_;
  mesh::Discovery own_run_;  // looks for nodes of the own job key
  std::shared_ptr<mesh::RunWatch> watch_;
  mesh::Background<std::vector<mesh::RunSighting>> looking_;
  Instant look_at_{};
  std::map<std::string, Run> runs_;  // by identity
  bool full_told_ = false;

  std::thread thread_;
  Descriptor woken_;
  std::mutex mutex_;
  std::condition_variable shown_;
  // Under the mutex:
  bool stops_ = false;
  bool wanted_ = false;
  Instant live_at_{INT64_MIN / 2};
  std::vector<std::shared_ptr<const report::JobSummary>> live_;
};

}  // namespace dagz
