#include "mesh/links.hpp"

#include <catch2/catch.hpp>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "tests/support/members.hpp"

using namespace dagz;
using namespace dagz::mesh;
using test::Actor;

namespace {

struct Host {
  Actor actor;
  Config config;
  Rng rng;
  Links links;
  std::vector<NodeId> met;
  std::vector<std::string> heard;
  std::vector<LinkActions::Dial> dials;
  std::vector<LinkActions::Send> sends;

  explicit Host(uint64_t number, uint64_t mesh = 1)
      : actor(number, -1, mesh), rng(number), links(config, actor.crypto, rng, actor.profile) {}
  const NodeId& id() const { return actor.id(); }
};

// Carries what hosts send, step by step: first everybody acts, then everything arrives.
struct Net {
  struct End {
    Host* host = nullptr;
    Lane lane = Lane::kControl;
    LinkId other = 0;
    bool open = true;
  };
  std::map<std::string, Host*> at;
  std::vector<Host*> hosts;
  std::map<LinkId, End> ends;
  LinkId last = 0;
  Instant now{};
  bool holds_mail = false;  // keeps sends in `Host::sends` only

  void add(Host& host) {
    hosts.push_back(&host);
    at[host.actor.profile.control_address] = &host;
    at[host.actor.profile.bulk_address] = &host;
  }

  void step() {
    std::vector<LinkId> up;
    std::vector<std::pair<LinkId, LinkLoss>> down;
    std::vector<LinkActions::Send> mail;
    for (Host* host : hosts) {
      host->links.advance(now);
      const LinkActions actions = host->links.take_actions();
      for (const auto& dial : actions.dials) {
        host->dials.push_back(dial);
        const LinkId near = ++last;
        ends[near] = {host, dial.lane, 0, true};
        host->links.dialled(now, dial.address, dial.lane, near);
        const auto target = at.find(dial.address);
        if (target == at.end()) {
          down.emplace_back(near, LinkLoss::kRefused);
          continue;
        }
        const LinkId far = ++last;
        ends[near].other = far;
        ends[far] = {target->second, dial.lane, near, true};
        up.push_back(near);
      }
      for (const auto& send : actions.sends) {
        host->sends.push_back(send);
        if (!holds_mail) mail.push_back(send);
      }
      for (const LinkId link : actions.closes) {
        down.emplace_back(link, LinkLoss::kClosed);
        if (ends[link].other != 0) down.emplace_back(ends[link].other, LinkLoss::kClosed);
      }
    }
    for (const LinkId link : up) ends[link].host->links.link_up(now, link);
    for (const auto& send : mail) deliver(send);
    for (const auto& [link, loss] : down) {
      if (std::exchange(ends[link].open, false)) ends[link].host->links.link_down(now, link, loss);
    }
  }

  // True if the receiver believed it.
  bool deliver(const LinkActions::Send& send) {
    const End& near = ends.at(send.link);
    if (!near.open) return false;
    Host& to = *ends.at(near.other).host;
    std::optional<Profile> new_peer;
    const auto received = to.links.receive(now, near.other, near.lane, send.bytes, new_peer);
    if (new_peer) to.met.push_back(new_peer->id);
    if (received) to.heard.emplace_back(received->content.begin(), received->content.end());
    return received.has_value();
  }

  void run(Duration time, Duration every = Duration::milliseconds(10)) {
    const Instant end = now + time;
    while (now < end) {
      step();
      now = now + every;
    }
  }
};

Buffer words(const std::string& text) { return {text.begin(), text.end()}; }

// The link that the next word would take.
LinkId link_used(Net& net, Host& from, const Host& to, Lane lane = Lane::kControl) {
  REQUIRE(from.links.send(net.now, to.id(), lane, EnvelopeKind::kMessage, words("x")));
  return from.links.take_actions().sends.at(0).link;
}

void connect(Net& net, Host& from, const Host& to) {
  from.links.candidate(net.now, to.actor.profile.control_address);
  net.run(Duration::milliseconds(200));
  REQUIRE(from.links.is_connected(to.id()));
}

}  // namespace

TEST_CASE("links: one dials, both know each other and can talk", "[mesh]") {
  Net net;
  Host a(1);
  Host b(2);
  net.add(a);
  net.add(b);
  CHECK_FALSE(
      a.links.send(net.now, b.id(), Lane::kControl, EnvelopeKind::kMessage, words("too early")));
  connect(net, a, b);
  CHECK(a.met[0] == b.id());
  CHECK(b.met[0] == a.id());
  CHECK(b.links.is_connected(a.id()));
  CHECK(a.links.send(net.now, b.id(), Lane::kControl, EnvelopeKind::kMessage, words("hello")));
  CHECK(b.links.send(net.now, a.id(), Lane::kControl, EnvelopeKind::kMessage, words("hi")));
  net.step();
  CHECK(b.heard == std::vector<std::string>{"hello"});
  CHECK(a.heard == std::vector<std::string>{"hi"});
}

TEST_CASE("links: two that dial each other at once agree on one control link", "[mesh]") {
  for (uint64_t number = 1; number < 20; ++number) {
    INFO("hosts " << number << " and " << number + 100);
    Net net;
    Host a(number);
    Host b(number + 100);
    net.add(a);
    net.add(b);
    a.links.candidate(net.now, b.actor.profile.control_address);
    b.links.candidate(net.now, a.actor.profile.control_address);
    net.run(Duration::milliseconds(500));
    const LinkId from_a = link_used(net, a, b);
    const LinkId from_b = link_used(net, b, a);
    CHECK(net.ends[from_a].other == from_b);
    // It is the one that the lower id dialled: dialled ends have the lower number here.
    const LinkId of_lower = a.id() < b.id() ? from_a : from_b;
    CHECK(of_lower == std::min(from_a, from_b));
  }
}

TEST_CASE("links: when the chosen link is lost, the one in its shadow serves", "[mesh]") {
  Net net;
  Host a(1);
  Host b(2);
  net.add(a);
  net.add(b);
  a.links.candidate(net.now, b.actor.profile.control_address);
  b.links.candidate(net.now, a.actor.profile.control_address);
  net.run(Duration::milliseconds(500));
  const LinkId chosen = link_used(net, a, b);
  const LinkId far = net.ends[chosen].other;
  net.ends[chosen].open = net.ends[far].open = false;
  a.links.link_down(net.now, chosen, LinkLoss::kClosed);
  b.links.link_down(net.now, far, LinkLoss::kClosed);
  CHECK(a.links.is_connected(b.id()));
  CHECK(net.ends[link_used(net, a, b)].other == link_used(net, b, a));
}

TEST_CASE("links: a lost link is dialled again", "[mesh]") {
  Net net;
  Host a(1);
  Host b(2);
  net.add(a);
  net.add(b);
  connect(net, a, b);
  const LinkId link = link_used(net, a, b);
  net.ends[link].open = net.ends[net.ends[link].other].open = false;
  b.links.link_down(net.now, net.ends[link].other, LinkLoss::kClosed);
  a.links.link_down(net.now, link, LinkLoss::kClosed);
  CHECK_FALSE(a.links.is_connected(b.id()));
  net.run(Duration::milliseconds(500));
  CHECK(a.links.is_connected(b.id()));
  CHECK(b.links.is_connected(a.id()));
}

TEST_CASE("links: who has much to send dials a bulk link; until it is up, control carries",
          "[mesh]") {
  Net net;
  Host a(1);
  Host b(2);
  net.add(a);
  net.add(b);
  connect(net, a, b);
  const Buffer much(a.config.bulk_message_min, 1);
  CHECK(net.ends[link_used(net, a, b, Lane::kBulk)].lane == Lane::kControl);
  net.run(Duration::milliseconds(500));
  CHECK(a.dials.size() == 1);
  REQUIRE(a.links.send(net.now, b.id(), Lane::kBulk, EnvelopeKind::kUpkeep, much));
  REQUIRE(b.links.send(net.now, a.id(), Lane::kBulk, EnvelopeKind::kUpkeep, much));
  net.run(Duration::milliseconds(500));
  CHECK(a.heard.size() == 1);
  const LinkId from_a = link_used(net, a, b, Lane::kBulk);
  const LinkId from_b = link_used(net, b, a, Lane::kBulk);
  CHECK(net.ends[from_a].lane == Lane::kBulk);
  CHECK(net.ends[from_b].lane == Lane::kBulk);
  CHECK(net.ends[from_a].other != from_b);
  CHECK(a.links.send(net.now, b.id(), Lane::kBulk, EnvelopeKind::kUpkeep, words("a log")));
  net.step();
  CHECK(b.heard.back() == "a log");
}

TEST_CASE("links: strangers are dialled a few at once, then slowly, in the order given", "[mesh]") {
  Net net;
  Host a(1);
  net.add(a);
  std::deque<Host> others;
  for (uint64_t i = 0; i < 10; ++i) {
    net.add(others.emplace_back(20 - i));
    a.links.candidate(net.now, others.back().actor.profile.control_address);
  }
  net.run(Duration::milliseconds(50));
  REQUIRE(a.dials.size() == a.config.strangers_at_once);
  for (std::size_t i = 0; i < a.dials.size(); ++i) {
    CHECK(a.dials[i].address == others[i].actor.profile.control_address);
  }
  // Those three have answered: the others may wait.
  net.run(a.config.stranger_slow_every);
  CHECK(a.dials.size() == a.config.strangers_at_once + 1);
  net.run(a.config.stranger_slow_every * 10);
  CHECK(a.dials.size() == 10);
}

TEST_CASE("links: an address of somebody known is dialled when that one is wanted", "[mesh]") {
  Net net;
  Host a(1);
  Host b(2);
  net.add(a);
  net.add(b);
  a.links.know(b.actor.profile);
  a.links.candidate(net.now, b.actor.profile.control_address);
  net.run(Duration::seconds(3));
  CHECK(a.dials.empty());
  a.links.want(net.now, b.actor.profile, false);
  net.run(Duration::milliseconds(100));
  CHECK(a.links.is_connected(b.id()));
}

TEST_CASE("links: who is not wanted any more keeps a link that is up, and is not sought",
          "[mesh]") {
  Net net;
  Host a(1);
  Host b(2);
  net.add(a);
  net.add(b);
  a.links.want(net.now, b.actor.profile, false);
  net.run(Duration::milliseconds(100));
  a.links.unwant(b.id());
  CHECK(a.links.is_connected(b.id()));
  Host c(3);  // never answers
  a.links.want(net.now, c.actor.profile, false);
  net.run(Duration::seconds(1));
  const std::size_t dials = a.dials.size();
  CHECK(dials > 2);
  a.links.unwant(c.id());
  net.run(Duration::seconds(5));
  CHECK(a.dials.size() == dials);
}

TEST_CASE("links: who is not endorsed by our root is not let in", "[mesh]") {
  Net net;
  Host a(1);
  Host stranger(2, 99);
  net.add(a);
  net.add(stranger);
  stranger.links.candidate(net.now, a.actor.profile.control_address);
  net.run(Duration::seconds(2));
  CHECK(a.met.empty());
  CHECK(stranger.met.empty());
  CHECK_FALSE(a.links.is_connected(stranger.id()));
  CHECK(a.links.stats().rejected > 0);
  // Not a word of ours went out to it.
  CHECK(a.sends.empty());
}

TEST_CASE("links: a word heard twice counts once", "[mesh]") {
  Net net;
  Host a(1);
  Host b(2);
  net.add(a);
  net.add(b);
  connect(net, a, b);
  a.sends.clear();
  net.holds_mail = true;
  REQUIRE(a.links.send(net.now, b.id(), Lane::kControl, EnvelopeKind::kMessage, words("once")));
  net.step();
  REQUIRE(a.sends.size() == 1);
  CHECK(net.deliver(a.sends[0]));
  const uint64_t rejected = b.links.stats().rejected;
  CHECK_FALSE(net.deliver(a.sends[0]));
  CHECK(b.links.stats().rejected == rejected + 1);
  CHECK(b.heard == std::vector<std::string>{"once"});
}

TEST_CASE("links: words may overtake each other", "[mesh]") {
  Net net;
  Host a(1);
  Host b(2);
  net.add(a);
  net.add(b);
  connect(net, a, b);
  a.sends.clear();
  net.holds_mail = true;
  for (const char* text : {"1", "2", "3"}) {
    REQUIRE(a.links.send(net.now, b.id(), Lane::kControl, EnvelopeKind::kMessage, words(text)));
  }
  net.step();
  REQUIRE(a.sends.size() == 3);
  for (const std::size_t i : {2UL, 0UL, 1UL}) CHECK(net.deliver(a.sends[i]));
  CHECK(b.heard == std::vector<std::string>{"3", "1", "2"});
}

TEST_CASE("links: damaged, foreign and early words are rejected and counted", "[mesh]") {
  Net net;
  Host a(1);
  Host b(2);
  Host c(3);
  net.add(a);
  net.add(b);
  net.add(c);
  connect(net, a, b);
  connect(net, a, c);
  const LinkId to_b = link_used(net, a, b);
  const LinkId to_c = link_used(net, a, c);
  const uint64_t before = b.links.stats().rejected;
  const Buffer good =
      seal_envelope(a.actor.crypto, EnvelopeKind::kMessage, b.id(), 900, words("to b"));
  for (std::size_t i = 0; i < good.size(); ++i) {
    Buffer bad = good;
    bad[i] ^= 0x10;
    CHECK_FALSE(net.deliver({to_b, bad}));
  }
  CHECK(b.links.stats().rejected == before + good.size());
  // Passed on by somebody who may not speak for its author, or to somebody else.
  CHECK_FALSE(net.deliver({to_c, good}));
  CHECK_FALSE(net.deliver({link_used(net, c, a), good}));
  CHECK(net.deliver({to_b, good}));
  // On a link that has not said hello.
  std::optional<Profile> new_peer;
  const Buffer early =
      seal_envelope(a.actor.crypto, EnvelopeKind::kMessage, b.id(), 901, words("early"));
  CHECK_FALSE(b.links.receive(net.now, 7777, Lane::kControl, early, new_peer).has_value());
  CHECK_FALSE(new_peer.has_value());
}

TEST_CASE("links: upkeep is proven by the key that the two share", "[mesh]") {
  Net net;
  Host a(1);
  Host b(2);
  Host c(3);
  net.add(a);
  net.add(b);
  net.add(c);
  connect(net, a, b);
  connect(net, a, c);
  const LinkId to_b = link_used(net, a, b);
  const auto sealed = [&](const Host& from, const Host& with) {
    const SharedKey key = from.actor.crypto.shared_key(with.actor.profile.key);
    return seal_upkeep(from.actor.crypto, key, b.id(), 900, words("to b"));
  };
  CHECK_FALSE(net.deliver({to_b, sealed(a, c)}));
  CHECK_FALSE(net.deliver({to_b, sealed(c, b)}));
  CHECK(net.deliver({to_b, sealed(a, b)}));
  CHECK_FALSE(net.deliver({to_b, sealed(a, b)}));
}

TEST_CASE("links: a hello must be meant for us, and for this lane", "[mesh]") {
  Host a(1);
  Host b(2);
  const auto hello = [&](const NodeId& to, Lane lane, uint32_t version = kProtocolVersion) {
    Profile profile = a.actor.profile;
    profile.version = version;
    sign_profile(a.actor.crypto, profile);
    return seal_envelope(a.actor.crypto, EnvelopeKind::kHello, to, 1,
                         encode(Hello{profile, lane, false}));
  };
  LinkId link = 0;
  const auto accepts = [&](const Buffer& bytes, Lane lane) {
    std::optional<Profile> new_peer;
    b.links.receive(Instant{}, ++link, lane, bytes, new_peer);
    return new_peer.has_value();
  };
  CHECK_FALSE(accepts(hello(test::numbered_id(9), Lane::kControl), Lane::kControl));
  CHECK_FALSE(accepts(hello({}, Lane::kBulk), Lane::kControl));
  CHECK_FALSE(accepts(hello({}, Lane::kControl, kProtocolVersion + 1), Lane::kControl));
  CHECK(b.links.stats().rejected == 3);
  CHECK(accepts(hello({}, Lane::kControl), Lane::kControl));
  CHECK(accepts(hello(b.id(), Lane::kBulk), Lane::kBulk));
}

TEST_CASE("links: a link stays with the first that said hello on it", "[mesh]") {
  Host a(1);
  Host b(2);
  Host c(3);
  std::optional<Profile> new_peer;
  const auto hello = [](const Host& from) {
    return seal_envelope(from.actor.crypto, EnvelopeKind::kHello, {}, 1,
                         encode(Hello{from.actor.profile, Lane::kControl, false}));
  };
  b.links.receive(Instant{}, 5, Lane::kControl, hello(a), new_peer);
  REQUIRE(new_peer.has_value());
  new_peer.reset();
  b.links.receive(Instant{}, 5, Lane::kControl, hello(c), new_peer);
  CHECK_FALSE(new_peer.has_value());
  CHECK_FALSE(b.links.is_connected(c.id()));
  CHECK(b.links.is_connected(a.id()));
}

TEST_CASE("links: the own address, heard back under another name, is not dialled again", "[mesh]") {
  Net net;
  Host a(1);
  net.add(a);
  net.at["alias:1"] = &a;
  a.links.candidate(net.now, "alias:1");
  a.links.candidate(net.now, a.actor.profile.control_address);
  net.run(Duration::seconds(30));
  CHECK(a.met.empty());
  CHECK(a.dials.size() == 1);
}

TEST_CASE("links: an address that refuses is dialled with a growing pause", "[mesh]") {
  Net net;
  Host a(1);
  net.add(a);
  a.links.candidate(net.now, "nobody:1");
  std::vector<Instant> dials;
  for (int i = 0; i < 3000; ++i) {
    const std::size_t before = a.dials.size();
    net.step();
    if (a.dials.size() > before) dials.push_back(net.now);
    net.now = net.now + Duration::milliseconds(10);
  }
  REQUIRE(dials.size() > 10);
  CHECK(dials[1] - dials[0] <= Duration::milliseconds(130));
  for (std::size_t i = 8; i < dials.size(); ++i) {
    CHECK(dials[i] - dials[i - 1] >= a.config.dial_retry_max * 3 / 4);
    CHECK(dials[i] - dials[i - 1] <= a.config.dial_retry_max * 5 / 4 + Duration::milliseconds(20));
  }
}

TEST_CASE("links: a link on which nobody says hello is closed", "[mesh]") {
  Net net;
  Host a(1);
  Host mute(2);
  net.add(a);
  net.add(mute);
  net.holds_mail = true;
  a.links.candidate(net.now, mute.actor.profile.control_address);
  net.step();
  REQUIRE(a.dials.size() == 1);
  net.run(a.config.handshake_within - Duration::milliseconds(20));
  CHECK(net.ends[1].open);
  net.run(Duration::milliseconds(100));
  CHECK_FALSE(net.ends[1].open);
}

TEST_CASE("links: who is forgotten is hung up on and not dialled again", "[mesh]") {
  Net net;
  Host a(1);
  Host b(2);
  net.add(a);
  net.add(b);
  connect(net, a, b);
  net.run(Duration::seconds(1));
  a.links.forget(b.id());
  b.links.forget(a.id());
  net.step();
  const std::size_t dials = a.dials.size() + b.dials.size();
  CHECK_FALSE(a.links.is_connected(b.id()));
  net.run(Duration::seconds(5));
  CHECK(a.dials.size() + b.dials.size() == dials);
  CHECK_FALSE(a.links.send(net.now, b.id(), Lane::kControl, EnvelopeKind::kMessage, words("x")));
  // A new sign of life makes it worth a dial.
  a.links.want(net.now, b.actor.profile, true);
  net.run(Duration::seconds(1));
  CHECK(a.links.is_connected(b.id()));
}

TEST_CASE("links: what is too long for the control lane is not sent on it", "[mesh]") {
  Net net;
  Host a(1);
  Host b(2);
  net.add(a);
  net.add(b);
  connect(net, a, b);
  const Buffer large(kControlMessageMax, 1);
  // It makes the bulk link that it needs.
  CHECK_FALSE(a.links.send(net.now, b.id(), Lane::kBulk, EnvelopeKind::kUpkeep, large));
  net.run(Duration::milliseconds(500));
  CHECK_FALSE(a.links.send(net.now, b.id(), Lane::kControl, EnvelopeKind::kMessage, large));
  CHECK(a.links.send(net.now, b.id(), Lane::kBulk, EnvelopeKind::kMessage, large));
}

TEST_CASE("links: an observer is told apart", "[mesh]") {
  Net net;
  Host a(1);
  Host watcher(2);
  watcher.actor.profile.role = Role::kObserver;
  sign_profile(watcher.actor.crypto, watcher.actor.profile);
  std::optional<Profile> new_peer;
  const Buffer hello = seal_envelope(watcher.actor.crypto, EnvelopeKind::kHello, {}, 1,
                                     encode(Hello{watcher.actor.profile, Lane::kControl, false}));
  a.links.receive(Instant{}, 1, Lane::kControl, hello, new_peer);
  REQUIRE(new_peer.has_value());
  CHECK(new_peer->role == Role::kObserver);
  const auto received = a.links.receive(
      Instant{}, 1, Lane::kControl,
      seal_envelope(watcher.actor.crypto, EnvelopeKind::kMessage, a.id(), 2, words("?")), new_peer);
  REQUIRE(received.has_value());
  CHECK(received->from_observer);
  // Nobody dials an observer's bulk address.
  a.links.advance(Instant{});
  CHECK(a.links.take_actions().dials.empty());
}

TEST_CASE("links: a process that is gone refuses the redial, and that is told", "[mesh]") {
  Net net;
  Host a(1);
  Host b(2);
  net.add(a);
  net.add(b);
  connect(net, a, b);
  CHECK(a.links.take_refusals().empty());
  const LinkId link = link_used(net, a, b);
  net.at.erase(b.actor.profile.control_address);
  net.ends[link].open = net.ends[net.ends[link].other].open = false;
  a.links.link_down(net.now, link, LinkLoss::kClosed);
  net.run(Duration::milliseconds(30));
  const std::vector<NodeId> gone = a.links.take_refusals();
  REQUIRE_FALSE(gone.empty());
  CHECK(gone.front() == b.id());
}

TEST_CASE("links: an address that never had a link accuses nobody by refusing", "[mesh]") {
  Net net;
  Host a(1);
  Host b(2);
  const Actor unknown(3);
  net.add(a);
  net.add(b);
  connect(net, a, b);
  a.dials.clear();
  a.links.want(net.now, unknown.profile, true);
  net.run(Duration::milliseconds(500));
  CHECK_FALSE(a.dials.empty());
  CHECK(a.links.take_refusals().empty());
  const std::vector<NodeId> unreached = a.links.take_unreached();
  REQUIRE_FALSE(unreached.empty());
  CHECK(unreached.front() == unknown.id());
}

TEST_CASE("links: who has no link to anybody takes a refusal at its word", "[mesh]") {
  Net net;
  Host a(1);
  const Actor unknown(2);
  net.add(a);
  a.links.want(net.now, unknown.profile, true);
  net.run(Duration::milliseconds(500));
  const std::vector<NodeId> gone = a.links.take_refusals();
  REQUIRE_FALSE(gone.empty());
  CHECK(gone.front() == unknown.id());
}

TEST_CASE("links: a hello is said again until it is answered", "[mesh]") {
  Net net;
  Host a(1);
  Host b(2);
  net.add(a);
  net.add(b);
  net.holds_mail = true;
  a.links.candidate(net.now, b.actor.profile.control_address);
  net.run(Duration::milliseconds(100));
  net.holds_mail = false;
  CHECK_FALSE(a.links.is_connected(b.id()));
  net.run(Duration::milliseconds(500));
  CHECK(a.links.is_connected(b.id()));
  CHECK(b.links.is_connected(a.id()));
}

TEST_CASE("links: who is hung up on is dialled anew", "[mesh]") {
  Net net;
  Host a(1);
  Host b(2);
  net.add(a);
  net.add(b);
  connect(net, a, b);
  const LinkId before = link_used(net, a, b);
  a.links.hang_up(net.now, b.id());
  CHECK_FALSE(a.links.is_connected(b.id()));
  CHECK(a.links.connected().empty());
  net.run(Duration::seconds(3));
  REQUIRE(a.links.is_connected(b.id()));
  CHECK(link_used(net, a, b) != before);
  CHECK(a.links.take_refusals().empty());
}
