#include "mesh/io/run_watch.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "mesh/io/node_directory.hpp"
#include "mesh/io/sealed_identity.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace dagz;
using namespace dagz::mesh;

namespace {

std::shared_ptr<const Secret> root_of(uint8_t value) {
  const auto root = std::make_shared<Secret>(32);
  root->data()[0] = value;
  return root;
}

// A node's entry in the directory, as it says, and under the name of a run.
NodeId leave_entry(const std::string& directory, const Secret& root, const std::string& identity,
                   const std::string& claimed, int64_t pid = getpid()) {
  const Keyring keys(root, identity);
  DirectoryEntry entry;
  entry.node_id = keys.node_id();
  entry.host_id = this_host();
  entry.pid = pid;
  entry.addresses = {"127.0.0.1:4242"};
  entry.sealed_identity = seal_identity(root, claimed);
  REQUIRE(write_entry(directory, entry_name(keys.run_tag(), keys.node_id()),
                      seal_entry(keys, entry)) == 0);
  return keys.node_id();
}

}  // namespace

TEST_CASE("run_watch: every run of the root is seen, node by node, in all directories", "[mesh]") {
  const test::TemporaryDirectory one;
  const test::TemporaryDirectory two;
  const auto root = root_of(1);
  std::vector<RunSighting> expected = {
      {"a", leave_entry(one.path, *root, "a", "a")},
      {"a", leave_entry(one.path, *root, "a", "a")},
      {"b", leave_entry(two.path, *root, "b", "b")},
  };
  std::sort(expected.begin(), expected.end());
  RunWatch watch(root, {one.path, two.path, one.path + "/missing"});
  CHECK(watch.look() == expected);
  CHECK(watch.look() == expected);
  CHECK(RunWatch(root_of(2), {one.path, two.path}).look().empty());
}

TEST_CASE("run_watch: an entry under another run's name proves nothing", "[mesh]") {
  const test::TemporaryDirectory directory;
  const auto root = root_of(1);
  leave_entry(directory.path, *root, "a", "b");
  CHECK(RunWatch(root, {directory.path}).look().empty());
}

TEST_CASE("run_watch: whose process is gone is not there", "[mesh]") {
  const test::TemporaryDirectory directory;
  const auto root = root_of(1);
  const pid_t child = fork();
  if (child == 0) _exit(0);
  REQUIRE(waitpid(child, nullptr, 0) == child);
  leave_entry(directory.path, *root, "a", "a", child);
  CHECK(RunWatch(root, {directory.path}).look().empty());
}
