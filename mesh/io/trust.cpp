#include "mesh/io/trust.hpp"

#include <sodium.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "mesh/io/key_file.hpp"
#include "mesh/io/possession.hpp"

namespace dagz::mesh {
namespace {

namespace fs = std::filesystem;

// Each kind of material has its own label, so that equal bytes from two sources are two roots.
Secret root_from(std::string_view label, std::span<const uint8_t> material) {
  Secret root(32);
  crypto_generichash_state state;
  crypto_generichash_init(&state, nullptr, 0, root.size());
  crypto_generichash_update(&state, reinterpret_cast<const uint8_t*>(label.data()), label.size());
  const uint8_t end = 0;
  crypto_generichash_update(&state, &end, 1);
  crypto_generichash_update(&state, material.data(), material.size());
  crypto_generichash_final(&state, root.data(), root.size());
  sodium_memzero(&state, sizeof state);
  return root;
}

std::span<const uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

TrustRoot refuse(TrustFailure failure, std::string error) {
  TrustRoot root;
  root.failure = failure;
  root.error = std::move(error);
  return root;
}

TrustRoot accept(TrustSource source, Secret key, std::string description) {
  TrustRoot root;
  root.source = source;
  root.key = std::move(key);
  root.description = std::move(description);
  return root;
}

bool has_secret(const TrustRequest& request) {
  return !request.secret_file.empty() || !request.secret.empty();
}

TrustRoot from_secret(const TrustRequest& request) {
  if (request.secret_file.empty()) {
    if (request.secret.size() < kSecretMin) {
      return refuse(TrustFailure::kUsage, "DAGZ_SECRET is shorter than " +
                                              std::to_string(kSecretMin) +
                                              " bytes; 'openssl rand -hex 32' makes a good one");
    }
    return accept(TrustSource::kSecret, root_from("secret", bytes_of(request.secret)),
                  "trust: the secret in DAGZ_SECRET; who knows it can join");
  }
  const KeyFile file = read_secret_file(request.secret_file);
  if (file.key.empty()) return refuse(TrustFailure::kUsage, file.error);
  return accept(TrustSource::kSecret, root_from("secret", file.key.bytes()),
                "trust: the secret in '" + request.secret_file + "'; who knows it can join");
}

// The directory is made on first use, but not the way to it: that is a mistyped name, or a disk
// that is not mounted, and each node would wait in a place of its own.
std::string missing_parent(std::string directory) {
  if (directory.empty()) return "";
  while (directory.size() > 1 && directory.back() == '/') directory.pop_back();
  std::error_code error;
  const fs::path parent = fs::absolute(directory, error).parent_path();
  if (error) return ".";  // the working directory is gone
  return fs::is_directory(parent, error) ? "" : parent.string();
}

TrustRoot from_rendezvous(const TrustRequest& request) {
  const KeyFile file = load_or_create_key(request.rendezvous_dir, "key");
  if (file.key.empty()) {
    return refuse(file.denied ? TrustFailure::kEnvironment : TrustFailure::kUsage, file.error);
  }
  return accept(
      TrustSource::kRendezvousKey, root_from("rendezvous", file.key.bytes()),
      "trust: the key file in '" + request.rendezvous_dir + "'; who can read it can join");
}

// Nothing when this host cannot keep a secret for the user, which is no reason not to run.
std::optional<TrustRoot> from_host(const TrustRequest& request) {
  if (!request.loopback_only || request.state_dir.empty()) return std::nullopt;
  const KeyFile file = load_or_create_key(request.state_dir, "secret");
  if (file.key.empty() && file.denied) return std::nullopt;
  if (file.key.empty()) return refuse(TrustFailure::kUsage, file.error);
  return accept(TrustSource::kHostSecret, root_from("host", file.key.bytes()),
                "trust: this user's secret on this host; only this user's processes can join");
}

std::optional<TrustRoot> from_possession(const TrustRequest& request) {
  const auto proof = prove_possession(request.project_root, request.identity);
  if (!proof) return std::nullopt;
  std::string description = "trust: possession of the sources (" +
                            std::to_string(proof->file_count) +
                            " tracked files); who has this very checkout and can reach this node "
                            "can join";
  if (proof->modified) description += " (local changes are not part of the proof)";
  return accept(TrustSource::kPossession, root_from("possession", proof->key.bytes()),
                std::move(description));
}

TrustRoot alone() {
  Secret key(32);
  randombytes_buf(key.data(), key.size());
  return accept(TrustSource::kAlone, std::move(key),
                "trust: no secret, no writable home and no git checkout, so a key of this process; "
                "nobody can join");
}

bool is_no_directory(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  return fs::exists(status) && !fs::is_directory(status);
}

TrustRoot resolve(const TrustRequest& request) {
  if (!request.rendezvous_dir.empty() && is_no_directory(request.rendezvous_dir)) {
    return refuse(TrustFailure::kUsage, "the rendezvous directory '" + request.rendezvous_dir +
                                            "' is no directory; give one that all nodes share");
  }
  if (const std::string parent = missing_parent(request.rendezvous_dir); !parent.empty()) {
    return refuse(TrustFailure::kUsage, "the rendezvous directory '" + request.rendezvous_dir +
                                            "' cannot be made: there is no directory '" + parent +
                                            "'");
  }
  if (request.mode == TrustMode::kOpen) {
    return accept(TrustSource::kOpen, root_from("open", bytes_of(request.identity)),
                  std::string("trust: open, a key from the run's public identity; whoever can "
                              "reach this node can join") +
                      (has_secret(request) ? " (the secret given is not used)" : ""));
  }
  if (has_secret(request)) return from_secret(request);
  if (!request.rendezvous_dir.empty()) return from_rendezvous(request);
  if (auto root = from_host(request)) return std::move(*root);
  if (request.mode == TrustMode::kSecret) {
    return refuse(TrustFailure::kUsage,
                  "--trust secret, but there is none: give --secret-file or DAGZ_SECRET, or a "
                  "--rendezvous directory to keep a key in");
  }
  if (auto root = from_possession(request)) return std::move(*root);
  if (request.loopback_only) return alone();
  return refuse(TrustFailure::kUsage,
                "nothing to base trust on: no secret, and '" + request.project_root +
                    "' is no git checkout; give --secret-file or DAGZ_SECRET, or say --trust open");
}

}  // namespace

TrustRoot resolve_trust(TrustRequest request) {
  start_sodium();
  TrustRoot root = resolve(request);
  sodium_memzero(request.secret.data(), request.secret.size());
  return root;
}

std::string user_state_directory() {
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && state[0] == '/') return std::string(state) + "/dagz";
  const char* home = std::getenv("HOME");
  if (home != nullptr && home[0] == '/') return std::string(home) + "/.local/state/dagz";
  return "";
}

}  // namespace dagz::mesh
