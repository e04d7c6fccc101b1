#pragma once

#include <cstdint>
#include <string>

#include "mesh/io/secret.hpp"

namespace dagz::mesh {

enum class TrustMode : uint8_t { kAuto, kSecret, kOpen };

enum class TrustSource : uint8_t {
  kSecret,         // --secret-file or DAGZ_SECRET
  kRendezvousKey,  // the key file in the rendezvous directory
  kHostSecret,     // one host only: a file of this user
  kPossession,     // the checked-out sources
  kOpen,           // the run's public identity
  kAlone,          // a random key that nobody else has
};

struct TrustRequest {
  TrustMode mode = TrustMode::kAuto;
  std::string secret_file;     // empty: none; wins over `secret`
  std::string secret;          // the value of DAGZ_SECRET; empty: none
  std::string rendezvous_dir;  // empty: none
  std::string state_dir;       // this user's, see user_state_directory(); empty: none
  bool loopback_only = true;   // the mesh cannot leave this host
  std::string project_root;
  std::string identity;  // repository, build, step, attempt, group: public, equal on all nodes
};

// Whether the root outlives a run, and is that of others as well.
constexpr bool is_of_many_runs(TrustSource source) {
  return source == TrustSource::kSecret || source == TrustSource::kRendezvousKey ||
         source == TrustSource::kHostSecret;
}

enum class TrustFailure : uint8_t {
  kNone,
  kUsage,        // the user can mend it: exit code 4
  kEnvironment,  // this place cannot hold what was asked for: exit code 16
};

struct TrustRoot {
  Secret key;  // 32 bytes; empty exactly when `failure` is not kNone
  TrustSource source = TrustSource::kAlone;
  std::string description;  // one line: which root is in use, and who could therefore get in
  std::string error;        // one sentence that names the thing and what to do
  TrustFailure failure = TrustFailure::kNone;
};

// The best root there is, in the order of TrustSource; nodes with the same inputs get the same
// root.
//   kAuto    a secret; the rendezvous key; on one host this user's secret; possession of the
//   sources.
//            A network mesh without any of these is refused; on one host the node stays alone.
//   kSecret  only the first three.
//   kOpen    always the public identity: keeps runs apart, and nobody out.
// May create key files, run git and wait for another process's half-written key; call before the
// loop starts. `request.secret` is wiped.
TrustRoot resolve_trust(TrustRequest request);

// $XDG_STATE_HOME/dagz, else $HOME/.local/state/dagz, else empty.
std::string user_state_directory();

}  // namespace dagz::mesh
