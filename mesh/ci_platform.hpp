#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

// Which CI this process runs in, read from its environment variables. One row of a table per
// platform (ci_platform.cpp); the first that matches wins. Pure: the environment is passed in.

namespace dagz {

// The value of a variable; nullopt when it is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

struct CiRun {
  std::string platform;    // "gitlab", "github" …; "local" for a run outside any CI
  std::string server;      // tells two installations of one platform apart
  std::string repository;  // without credentials
  std::string build;       // shared by all nodes of a step
  std::string step;        // shared by all nodes of a step; no shard number in it
  std::string matrix;      // the matrix leg that was cut off the step's name, e.g. "[3.11, linux]"
  uint32_t attempt = 1;    // 1-based; 1 where the platform does not tell
  std::optional<uint32_t> node_index;  // 0-based on every platform; a hint, not an identity
  std::optional<uint32_t> node_total;  // a hint, never a quorum
  std::string job_url;
  // Whether a job that the CI runs again has a higher attempt; whether it has another job_url.
  bool counts_attempts = false;
  bool url_names_run = false;
  std::string commit;
  std::string branch;
  bool multi_host = false;  // something says that nodes of this step run on other hosts
};

// nullopt when no CI is seen. Values are taken as they are: nothing is invented where a platform
// does not tell, and an index outside of its total is dropped.
std::optional<CiRun> detect_ci(const Environment& environment);

// A matrix leg that is a job of its own is one of one node, whatever the CI counts over all legs.
void count_leg(CiRun& run, std::string_view group, std::string_view user_key);

// Within a test of another job (`span` is that test's DAGZ_SPAN; empty: there is none) a run is
// neither a node of that job nor of its suite, unless `user_key` says which it is: all that one run
// of a test starts belong together, on this host, and how many these are the CI does not know.
void nest_in_test(CiRun& run, std::string_view span, std::string_view user_key);

// A run outside any CI: one user's runs of one checkout on one host belong together.
CiRun local_run(const std::string& host, const std::string& user, const std::string& repository);

// Names the job: the same on all nodes of a step, and in later attempts of it. `user_key` (--job)
// replaces what the CI says; `group` (--group) splits a step into several jobs, and where it is
// empty the matrix leg does. Injective: different parts never yield the same key.
std::string job_key(const CiRun& run, std::string_view group, std::string_view user_key);

// Names the suite: the same in all builds of a job.
std::string suite_key(const CiRun& run, std::string_view group, std::string_view user_key);

// Tells builds apart that have the same key; empty where nothing says which build this is.
std::string build_of(const CiRun& run);

// Names this attempt of the job; nodes with different identities must never form one mesh.
std::string run_identity(const CiRun& run, std::string_view job_key);

// "test 3/8" -> "test", "Test - 3/8" -> "Test". Nothing else is cut.
std::string without_shard_number(std::string_view name);

// https://user:password@host/path -> https://host/path
std::string without_credentials(std::string_view url);

}  // namespace dagz
