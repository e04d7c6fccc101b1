#include "mesh/overlay.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <deque>
#include <map>
#include <set>

#include "tests/support/members.hpp"

using namespace dagz;
using namespace dagz::mesh;
using test::Actor;

namespace {

// The views of all members of one mesh, all the same.
struct Mesh {
  Config config;
  std::deque<Actor> actors;
  std::deque<Membership> views;

  explicit Mesh(uint64_t size, uint64_t archivists = 0) {
    for (uint64_t number = 1; number <= size; ++number) {
      const Role role = number <= archivists ? Role::kArchivist : Role::kVassal;
      actors.emplace_back(number, -1, 1, role);
    }
    for (const Actor& actor : actors) {
      views.emplace_back(config, actor.crypto, actor.profile,
                         [](Instant, const Member&, MemberChange) {});
      for (const Actor& other : actors) {
        if (other.id() != actor.id()) views.back().introduce(Instant{}, other.profile);
      }
    }
  }

  // Who has a link to whom, whoever dialled.
  std::map<NodeId, std::set<NodeId>> links(const NodeId& scheduler) const {
    std::map<NodeId, std::set<NodeId>> all;
    for (const Membership& view : views) {
      const NodeId& self = view.self().profile.id;
      for (const NodeId& other : neighbours(config, view, scheduler)) {
        all[self].insert(other);
        all[other].insert(self);
      }
    }
    return all;
  }
};

std::size_t reached_from(const NodeId& start, const std::map<NodeId, std::set<NodeId>>& links,
                         const std::set<NodeId>& without) {
  std::set<NodeId> seen{start};
  std::deque<NodeId> next{start};
  while (!next.empty()) {
    const NodeId at = next.front();
    next.pop_front();
    for (const NodeId& other : links.at(at)) {
      if (!without.contains(other) && seen.insert(other).second) next.push_back(other);
    }
  }
  return seen.size();
}

}  // namespace

TEST_CASE("overlay: a small mesh is full", "[mesh]") {
  const Mesh mesh(Config{}.full_mesh_max);
  for (const Membership& view : mesh.views) {
    const auto found = neighbours(mesh.config, view, {});
    CHECK(found.size() == mesh.actors.size() - 1);
    CHECK_FALSE(found.contains(view.self().profile.id));
  }
}

TEST_CASE("overlay: an archivist is no hub, but is linked to as all others are", "[mesh]") {
  const Mesh mesh(40, 2);
  const NodeId first = mesh.actors[2].id();
  const NodeId second = mesh.actors[3].id();
  const NodeId third = mesh.actors[4].id();
  CHECK(hubs(mesh.views[0], {}) == std::set<NodeId>{first, second, third});
  CHECK(mesh.links(first).at(mesh.actors[0].id()).contains(first));
}

TEST_CASE("overlay: the hubs are the scheduler and the eldest others", "[mesh]") {
  const Mesh mesh(40);
  const NodeId first = mesh.actors[0].id();
  const NodeId second = mesh.actors[1].id();
  const NodeId third = mesh.actors[2].id();
  const NodeId late = mesh.actors[30].id();
  CHECK(hubs(mesh.views[20], {}) == std::set<NodeId>{first, second, third});
  CHECK(hubs(mesh.views[20], first) == std::set<NodeId>{first, second, third});
  CHECK(hubs(mesh.views[20], late) == std::set<NodeId>{late, first, second});
  CHECK(hubs(mesh.views[20], test::numbered_id(0)).size() == kHubs);
}

TEST_CASE("overlay: each dials a few, and any two have a hub in common", "[mesh]") {
  const Mesh mesh(200);
  const auto links = mesh.links({});
  for (const Membership& view : mesh.views) {
    const NodeId& self = view.self().profile.id;
    CHECK(neighbours(mesh.config, view, {}).size() <= kHubs + kRingSuccessors + 3);
    for (const NodeId& hub : hubs(view, {})) {
      CHECK((hub == self || links.at(self).contains(hub)));
    }
  }
}

TEST_CASE("overlay: without its hubs and a tenth of the others the mesh holds together", "[mesh]") {
  const Mesh mesh(200);
  const auto links = mesh.links({});
  std::set<NodeId> gone = hubs(mesh.views[0], {});
  for (std::size_t i = 0; gone.size() < 23; i += 9) gone.insert(mesh.actors[5 + i].id());
  const NodeId& start = mesh.actors[4].id();
  REQUIRE_FALSE(gone.contains(start));
  CHECK(reached_from(start, links, gone) == mesh.actors.size() - gone.size());
}

TEST_CASE("overlay: the dead are no neighbours", "[mesh]") {
  Mesh mesh(40);
  Membership& view = mesh.views[10];
  const std::set<NodeId> before = neighbours(mesh.config, view, {});
  const NodeId gone = *before.begin();
  const auto author = std::find_if(mesh.actors.begin(), mesh.actors.end(),
                                   [&](const Actor& actor) { return actor.id() == gone; });
  REQUIRE(view.receive(Instant{}, make_statement(author->crypto, gone, 0, MemberState::kLeft)));
  const std::set<NodeId> after = neighbours(mesh.config, view, {});
  CHECK_FALSE(after.contains(gone));
  CHECK(after.size() >= before.size() - 1);
}

TEST_CASE("overlay: beside a suspect its successor is dialled as well", "[mesh]") {
  Mesh mesh(40);
  Membership& view = mesh.views[10];
  const std::set<NodeId> before = neighbours(mesh.config, view, {});
  for (const NodeId& id : before) view.accuse(Instant{}, id);
  const std::set<NodeId> after = neighbours(mesh.config, view, {});
  for (const NodeId& id : before) CHECK(after.contains(id));
  const auto trusted = std::count_if(after.begin(), after.end(), [&](const NodeId& id) {
    return view.find(id)->state == MemberState::kAlive;
  });
  CHECK(trusted >= kRingSuccessors);
  // All others are suspected: all are dialled.
  for (const Actor& actor : mesh.actors) view.accuse(Instant{}, actor.id());
  CHECK(neighbours(mesh.config, view, {}).size() == mesh.actors.size() - 1);
}
