#include "mesh/io/sealed_identity.hpp"

#include <catch2/catch.hpp>

using namespace dagz::mesh;

namespace {

Secret root_of(uint8_t value) {
  Secret root(32);
  root.data()[0] = value;
  return root;
}

}  // namespace

TEST_CASE("sealed_identity: who holds the root reads the name, nobody else does", "[mesh]") {
  const std::string identity = "gitlab|group/project|17|test|1";
  const std::string sealed = seal_identity(root_of(1), identity);
  CHECK(open_identity(root_of(1), sealed) == identity);
  CHECK_FALSE(open_identity(root_of(2), sealed));
  CHECK(sealed.find("project") == std::string::npos);
  // Anew each time.
  CHECK(seal_identity(root_of(1), identity) != sealed);
}

TEST_CASE("sealed_identity: damaged, cut or overlong it says nothing", "[mesh]") {
  const std::string sealed = seal_identity(root_of(1), "run");
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string damaged = sealed;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    CHECK_FALSE(open_identity(root_of(1), damaged));
    CHECK_FALSE(open_identity(root_of(1), sealed.substr(0, i)));
  }
  CHECK(open_identity(root_of(1), seal_identity(root_of(1), std::string(kIdentityMax, 'x'))));
  CHECK(seal_identity(root_of(1), std::string(kIdentityMax + 1, 'x')).empty());
  CHECK(seal_identity(root_of(1), std::string(kIdentityMax, 'x')).size() <= kSealedIdentityMax);
}
