#include "mesh/io/keyring.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "mesh/io/key_file.hpp"
#include "mesh/io/possession.hpp"
#include "mesh/io/seal.hpp"
#include "mesh/io/trust.hpp"
#include "tests/support/temporary_directory.hpp"

// Where the trust root comes from, what is derived from it, and what each source refuses.

namespace {

using namespace dagz;
using namespace dagz::mesh;
namespace fs = std::filesystem;
using test::TemporaryDirectory;

Secret secret_of(uint8_t fill) {
  Secret secret(32);
  for (std::size_t i = 0; i < secret.size(); ++i) secret.data()[i] = fill;
  return secret;
}

std::string write_file(const std::string& path, const std::string& text, mode_t mode) {
  std::ofstream(path) << text;
  REQUIRE(chmod(path.c_str(), mode) == 0);
  return path;
}

std::string key_of(const TrustRoot& root) {
  CAPTURE(root.error);
  REQUIRE(root.failure == TrustFailure::kNone);
  REQUIRE(root.key.size() == 32);
  return to_hex(root.key.data(), root.key.size());
}

TrustRequest request_in(const TemporaryDirectory& directory) {
  TrustRequest request;
  request.state_dir = directory.path + "/state/dagz";
  request.project_root = directory.path;
  request.identity = "repository build step";
  return request;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

constexpr const char* kLongSecret = "correct horse battery staple";

}  // namespace

TEST_CASE("keyring: the same root and identity give the same keys, another identity all others",
          "[mesh]") {
  const Keyring one(secret_of(1), "run 1");
  const Keyring same(secret_of(1), "run 1");
  const Keyring other_run(secret_of(1), "run 2");
  const Keyring other_root(secret_of(2), "run 1");

  CHECK(one.mesh_id() == same.mesh_id());
  CHECK(one.run_tag() == same.run_tag());
  CHECK(one.curve_server().public_key == same.curve_server().public_key);
  CHECK(one.curve_client().public_key == same.curve_client().public_key);
  CHECK(one.curve_server().public_key != one.curve_client().public_key);

  CHECK(one.mesh_id() != other_run.mesh_id());
  CHECK(one.run_tag() != other_run.run_tag());
  CHECK(one.curve_server().public_key != other_run.curve_server().public_key);

  CHECK(one.mesh_id() != other_root.mesh_id());
  CHECK(one.run_tag() == other_root.run_tag());  // public: says nothing about the root
  CHECK(one.curve_client().public_key != other_root.curve_client().public_key);
}

TEST_CASE("keyring: a MAC holds for its bytes and its root only", "[mesh]") {
  const Keyring one(secret_of(1), "run");
  const Keyring same(secret_of(1), "run");
  const Keyring other(secret_of(2), "run");
  std::vector<uint8_t> data{1, 2, 3};
  const Mac mac = one.mac(data);
  CHECK(same.verify_mac(data, mac));
  CHECK_FALSE(other.verify_mac(data, mac));
  data[1] ^= 1;
  CHECK_FALSE(one.verify_mac(data, mac));
}

TEST_CASE("seal: every process is somebody, and signs for its run only", "[mesh]") {
  const Keyring keys(secret_of(1), "run");
  const Keyring peer_keys(secret_of(1), "run");
  const Keyring stranger_keys(secret_of(1), "another run");
  const SodiumCrypto crypto(keys);
  const SodiumCrypto peer(peer_keys);
  const SodiumCrypto stranger(stranger_keys);
  CHECK(crypto.node_id() != peer.node_id());
  CHECK(crypto.node_id() == peer.node_id_of(crypto.public_key()));

  const std::vector<uint8_t> data{1, 2, 3};
  const std::vector<uint8_t> changed{1, 2, 4};
  const Signature signature = crypto.sign(data);
  CHECK(peer.verify(crypto.public_key(), data, signature));
  CHECK_FALSE(peer.verify(peer.public_key(), data, signature));
  CHECK_FALSE(peer.verify(crypto.public_key(), changed, signature));
  CHECK_FALSE(stranger.verify(crypto.public_key(), data, signature));

  CHECK(crypto.endorse(crypto.public_key()) == peer.endorse(crypto.public_key()));
  CHECK(crypto.endorse(crypto.public_key()) != stranger.endorse(crypto.public_key()));
  CHECK(to_hex(crypto.hash({})) ==
        "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
}

TEST_CASE("seal: two share a key that a third does not have", "[mesh]") {
  const Secret root = secret_of(7);
  const Keyring a_keys(root, "run");
  const Keyring b_keys(root, "run");
  const Keyring c_keys(root, "run");
  const SodiumCrypto a(a_keys);
  const SodiumCrypto b(b_keys);
  const SodiumCrypto c(c_keys);
  const SharedKey key = a.shared_key(b.public_key());
  CHECK(key == b.shared_key(a.public_key()));
  CHECK(key != c.shared_key(a.public_key()));
  CHECK(key != c.shared_key(b.public_key()));
  const std::vector<uint8_t> words{1, 2, 3};
  CHECK(a.authenticate(key, words) == b.authenticate(key, words));
  CHECK(a.authenticate(key, words) != a.authenticate(a.shared_key(c.public_key()), words));
  // With a key that is no point of the curve nobody can agree, and nobody can guess the outcome.
  PublicKey broken;
  broken.bytes.fill(0xff);
  CHECK(a.shared_key(broken) != b.shared_key(broken));
  CHECK_FALSE(a.shared_key(PublicKey{}).is_zero());
}

TEST_CASE("trust: a secret wins over all else, and file and variable mean the same", "[mesh]") {
  const TemporaryDirectory directory;
  TrustRequest request = request_in(directory);
  request.rendezvous_dir = directory.path;
  request.secret = kLongSecret;
  const TrustRoot variable = resolve_trust(request);
  CHECK(variable.source == TrustSource::kSecret);
  CHECK(contains(variable.description, "DAGZ_SECRET"));
  CHECK_FALSE(contains(variable.description, kLongSecret));

  request.secret = "something else that is long";
  request.secret_file = write_file(directory.path + "/s", std::string(kLongSecret) + "\n", 0600);
  const TrustRoot file = resolve_trust(request);
  CHECK(key_of(file) == key_of(variable));
  CHECK_FALSE(fs::exists(directory.path + "/key"));
}

TEST_CASE("trust: an unfit secret is refused with a reason", "[mesh]") {
  const TemporaryDirectory directory;
  TrustRequest request = request_in(directory);
  std::string expected;
  SECTION("missing") {
    request.secret_file = directory.path + "/none";
    expected = "No such file";
  }
  SECTION("readable by others") {
    request.secret_file = write_file(directory.path + "/s", kLongSecret, 0644);
    expected = "chmod 600";
  }
  SECTION("writable by the group") {
    request.secret_file = write_file(directory.path + "/s", kLongSecret, 0660);
    expected = "chmod 600";
  }
  SECTION("short") {
    request.secret_file = write_file(directory.path + "/s", "0123456789abcde\n\n", 0600);
    expected = "shorter than 16";
  }
  SECTION("short variable") {
    request.secret = "0123456789abcde";
    expected = "shorter than 16";
  }
  SECTION("long") {
    request.secret_file = write_file(directory.path + "/s", std::string(5000, 'x'), 0600);
    expected = "longer than 4096";
  }
  SECTION("a directory") {
    request.secret_file = directory.path;
    expected = "no regular file";
  }
  const TrustRoot root = resolve_trust(request);
  CAPTURE(root.error);
  CHECK(root.failure == TrustFailure::kUsage);
  CHECK(root.key.empty());
  CHECK(contains(root.error, expected));
}

TEST_CASE("trust: many processes at once agree on the key they make", "[mesh]") {
  const TemporaryDirectory directory;
  std::vector<std::thread> racers;
  std::vector<std::string> keys(16);
  std::atomic<bool> start{false};
  for (std::string& key : keys) {
    racers.emplace_back([&] {
      while (!start) std::this_thread::yield();
      const KeyFile file = load_or_create_key(directory.path + "/state/dagz", "secret");
      key = to_hex(file.key.data(), file.key.size()) + file.error;
    });
  }
  start = true;
  for (std::thread& racer : racers) racer.join();
  CHECK(std::set<std::string>(keys.begin(), keys.end()).size() == 1);
  CHECK(keys[0].size() == 64);
  const auto entries = fs::directory_iterator(directory.path + "/state/dagz");
  CHECK(std::distance(fs::begin(entries), fs::end(entries)) == 1);  // no temporary file is left
}

TEST_CASE("trust: a rendezvous directory below a working directory that is gone", "[mesh]") {
  const TemporaryDirectory directory;
  const fs::path before = fs::current_path();
  fs::create_directory(directory.path + "/gone");
  fs::current_path(directory.path + "/gone");
  fs::remove(directory.path + "/gone");
  TrustRequest request = request_in(directory);
  request.rendezvous_dir = "shared";
  const TrustRoot root = resolve_trust(request);
  fs::current_path(before);
  CHECK(root.failure == TrustFailure::kUsage);
  CHECK(root.error ==
        "the rendezvous directory 'shared' cannot be made: there is no directory '.'");
}

TEST_CASE("trust: the host's secret serves one host only", "[mesh]") {
  const TemporaryDirectory directory;
  const TrustRequest request = request_in(directory);
  const TrustRoot first = resolve_trust(request);
  CHECK(first.source == TrustSource::kHostSecret);
  CHECK(key_of(first) == key_of(resolve_trust(request)));
  CHECK((fs::status(request.state_dir + "/secret").permissions() & fs::perms::mask) ==
        (fs::perms::owner_read | fs::perms::owner_write));

  TrustRequest network = request;
  network.loopback_only = false;
  const TrustRoot refused = resolve_trust(network);
  CHECK(refused.failure == TrustFailure::kUsage);
  CHECK(contains(refused.error, "--trust open"));

  network.mode = TrustMode::kSecret;
  CHECK(contains(resolve_trust(network).error, "--secret-file"));
}

TEST_CASE("trust: the rendezvous key is made once and checked", "[mesh]") {
  const TemporaryDirectory directory;
  TrustRequest request = request_in(directory);
  request.loopback_only = false;
  request.mode = TrustMode::kSecret;
  request.rendezvous_dir = directory.path + "/shared";
  const TrustRoot first = resolve_trust(request);
  CHECK(first.source == TrustSource::kRendezvousKey);
  CHECK(key_of(first) == key_of(resolve_trust(request)));

  const std::string key = request.rendezvous_dir + "/key";
  std::string expected;
  SECTION("open to others") {
    REQUIRE(chmod(key.c_str(), 0640) == 0);
    expected = "open to other users";
  }
  SECTION("too long") {
    std::ofstream(key, std::ios::app) << "more";
    expected = "damaged";
  }
  SECTION("a symbolic link") {
    fs::rename(key, key + "2");
    fs::create_symlink(key + "2", key);
    expected = "cannot read the key file";
  }
  const TrustRoot root = resolve_trust(request);
  CAPTURE(root.error);
  CHECK(root.failure == TrustFailure::kUsage);
  CHECK(contains(root.error, expected));
}

TEST_CASE("trust: a rendezvous directory is made, but not the way to it", "[mesh]") {
  const TemporaryDirectory directory;
  TrustRequest request = request_in(directory);
  request.secret = GENERATE("", "a secret that is long enough");
  request.rendezvous_dir = directory.path + "/mistyped/shared/";
  const TrustRoot root = resolve_trust(request);
  CHECK(root.failure == TrustFailure::kUsage);
  CHECK(contains(root.error, directory.path + "/mistyped'"));
  CHECK_FALSE(fs::exists(directory.path + "/mistyped"));
}

TEST_CASE("trust: possession is the same for the same blobs, in any order", "[mesh]") {
  using namespace std::string_literals;
  const std::string a = "100644 aa 0\tx/a.py\0"s;
  const std::string b = "100644 bb 0\tb.py\0"s;
  const auto key = [](const std::string& index, const std::string& job) {
    const auto possession = possession_of_index(index, job);
    REQUIRE(possession.has_value());
    return to_hex(possession->key.data(), possession->key.size());
  };
  CHECK(key(a + b, "job") == key(b + a, "job"));
  CHECK(key(a + b, "job") != key(a, "job"));
  CHECK(key(a + b, "job") != key(a + b, "another job"));
  CHECK(key(a + b, "job") != key("100644 aa 0\tx/a.py\0"
                                 "100644 bc 0\tb.py\0"s,
                                 "job"));
  CHECK_FALSE(possession_of_index("", "job").has_value());
  CHECK_FALSE(possession_of_index("no tab\0"s, "job").has_value());
  CHECK_FALSE(possession_of_index("100644 aa 0\tcut", "job").has_value());
}

TEST_CASE("trust: possession follows what git tracks, not what lies about", "[mesh]") {
  const TemporaryDirectory directory;
  const auto git = [&](const std::string& words) {
    const std::string line = "cd '" + directory.path + "' && git " + words + " > git.log 2>&1";
    return std::system(line.c_str()) == 0;
  };
  if (!git("init -q")) {
    WARN("no git here");
    return;
  }
  write_file(directory.path + "/test_a.py", "1", 0644);
  REQUIRE(git("add test_a.py"));
  TrustRequest request = request_in(directory);
  request.loopback_only = false;
  const TrustRoot first = resolve_trust(request);
  CHECK(first.source == TrustSource::kPossession);
  CHECK(contains(first.description, "1 tracked file"));

  write_file(directory.path + "/untracked.py", "1", 0644);
  CHECK(key_of(first) == key_of(resolve_trust(request)));

  write_file(directory.path + "/test_a.py", "22", 0644);
  const TrustRoot modified = resolve_trust(request);
  CHECK(key_of(first) == key_of(modified));
  CHECK(contains(modified.description, "local changes"));

  REQUIRE(git("add test_a.py"));
  CHECK(key_of(first) != key_of(resolve_trust(request)));
}

TEST_CASE("trust: open is public, keeps runs apart and says so", "[mesh]") {
  const TemporaryDirectory directory;
  TrustRequest request = request_in(directory);
  request.mode = TrustMode::kOpen;
  request.secret = kLongSecret;
  request.loopback_only = false;
  const TrustRoot root = resolve_trust(request);
  CHECK(root.source == TrustSource::kOpen);
  CHECK(contains(root.description, "whoever can reach this node"));
  CHECK(contains(root.description, "not used"));
  request.identity += "2";
  CHECK(key_of(root) != key_of(resolve_trust(request)));
}

TEST_CASE("trust: with nothing at all a node on one host stays alone", "[mesh]") {
  const TemporaryDirectory directory;
  TrustRequest request = request_in(directory);
  request.state_dir.clear();
  const TrustRoot root = resolve_trust(request);
  CHECK(root.source == TrustSource::kAlone);
  CHECK(key_of(root) != key_of(resolve_trust(request)));
}
