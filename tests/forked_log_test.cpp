#include <catch2/catch.hpp>
#include <deque>
#include <map>
#include <set>
#include <string>

#include "node.hpp"
#include "report/json_report.hpp"
#include "tests/support/jobs.hpp"

// A member that signs two stories of its log, among nodes that do not: all of them learn of it, say
// so once, have nothing to send each other for it, and end with the same report.

using namespace dagz;
using test::Actor;

namespace {

struct Host {
  test::FakeCrypto crypto;
  std::string name;
  Node node;
  std::vector<std::string> notices;

  Host(uint64_t number, Moment at)
      : crypto(number),
        name("host" + std::to_string(number)),
        node(config(number, name), crypto, {}, at) {}

  static NodeConfig config(uint64_t number, const std::string& name) {
    NodeConfig config;
    config.profile.control_address = name + ":1";
    config.profile.bulk_address = name + ":2";
    config.profile.host = name;
    config.profile.workers = config.vassal.workers = 1;
    config.seed = number;
    config.job_id = "job-of-" + name;
    config.short_id = "j0101.1";
    return config;
  }
  bool knows(const NodeId& forker) const { return node.ledger().is_shut_out(forker); }
  std::size_t told() const {
    return static_cast<std::size_t>(
        std::count_if(notices.begin(), notices.end(), [](const std::string& notice) {
          return notice.find("signed two different logs") != std::string::npos;
        }));
  }
};

// Every host's links have numbers of their own; the forker's end with it has the host's number.
struct Net {
  struct End {
    Host* host = nullptr;
    mesh::Lane lane = mesh::Lane::kControl;
    mesh::LinkId other = 0;
  };
  Moment at{test::at_ms(1000), 1'700'000'000'000};
  std::deque<Host> hosts;
  std::map<mesh::LinkId, End> ends;
  mesh::LinkId last = 100;
  uint64_t pushes = 0;  // of batches, from host to host

  // Born before all hosts.
  Actor forker{9, 1'600'000'000'000};
  std::map<mesh::LinkId, uint64_t> said;

  explicit Net(uint64_t count) {
    for (uint64_t number = 1; number <= count; ++number) {
      hosts.emplace_back(number, at);
      at.wall_ms += 1;
    }
    for (Host& host : hosts) host.node.candidate(at, hosts.front().name + ":1");
    for (mesh::LinkId link = 1; link <= count; ++link) {
      const mesh::Hello hello{forker.profile, mesh::Lane::kControl, false, link};
      deliver(link, mesh::EnvelopeKind::kHello, NodeId{}, encode(hello));
    }
  }

  Host& host_at(const std::string& address) {
    const auto found = std::find_if(hosts.begin(), hosts.end(), [&](const Host& host) {
      return address.starts_with(host.name + ":");
    });
    REQUIRE(found != hosts.end());
    return *found;
  }

  // From the forker to the host of this number.
  void deliver(mesh::LinkId link, mesh::EnvelopeKind kind, const NodeId& to, Buffer content) {
    hosts[link - 1].node.receive(
        at, link, mesh::Lane::kControl,
        mesh::seal_envelope(forker.crypto, kind, to, ++said[link], std::move(content)));
  }
  void say(mesh::LinkId link, const Message& message) {
    deliver(link, mesh::EnvelopeKind::kMessage, hosts[link - 1].node.id(), encode(message));
  }

  void carry(const mesh::LinkActions::Send& send) {
    mesh::Envelope envelope;
    Message message;
    REQUIRE(decode(send.bytes, envelope));
    const bool is_hello = envelope.kind == mesh::EnvelopeKind::kHello;
    if (!is_hello) REQUIRE(decode(envelope.content, message));
    if (send.link <= hosts.size()) {
      // It answers, so that nobody takes it for dead.
      const auto* ping = std::get_if<mesh::Ping>(&message);
      if (!is_hello && ping != nullptr) say(send.link, mesh::Ack{ping->number, {}});
      return;
    }
    if (!is_hello && std::holds_alternative<mesh::LogPush>(message)) ++pushes;
    const End& far = ends.at(ends.at(send.link).other);
    far.host->node.receive(at, ends.at(send.link).other, far.lane, send.bytes);
  }

  void step() {
    at.now = at.now + Duration::milliseconds(5);
    at.wall_ms += 5;
    for (Host& host : hosts) {
      host.node.advance(at);
      const NodeActions actions = host.node.take_actions();
      host.notices.insert(host.notices.end(), actions.notices.begin(), actions.notices.end());
      for (const auto& dial : actions.links.dials) {
        if (dial.address.starts_with("host9:")) continue;
        Host& target = host_at(dial.address);
        const mesh::LinkId near = ++last;
        const mesh::LinkId far = ++last;
        ends[near] = {&host, dial.lane, far};
        ends[far] = {&target, dial.lane, near};
        host.node.dialled(at, dial.address, dial.lane, near);
        host.node.link_up(at, near);
      }
      for (const auto& send : actions.links.sends) carry(send);
    }
  }
  void run(Duration time) {
    for (const Instant end = at.now + time; at.now < end;) step();
  }
  bool all_know() const {
    return std::all_of(hosts.begin(), hosts.end(),
                       [this](const Host& host) { return host.knows(forker.id()); });
  }
  void require_one_end() {
    for (int i = 0; i < 20; ++i) run(Duration::seconds(1));
    std::set<std::string> reports;
    for (const Host& host : hosts) {
      REQUIRE(host.node.end().has_value());
      CHECK(host.node.end()->summary.status == report::JobStatus::kInterrupted);
      CHECK(host.told() == 1);
      reports.insert(report::format_json(host.node.end()->summary));
    }
    CHECK(reports.size() == 1);
  }
};

mesh::LogBatch story(mesh::Ledger& ledger, const std::vector<report::Entry>& entries) {
  for (const report::Entry& entry : entries) ledger.append(encode(entry));
  return *ledger.flush();
}

}  // namespace

TEST_CASE("forked log: all learn of it, say so once and settle, and end alike", "[node]") {
  Net net(4);
  net.run(Duration::seconds(2));
  mesh::Ledger one(net.forker.crypto);
  mesh::Ledger other(net.forker.crypto);
  net.say(1, mesh::LogPush{{story(one, {report::Opened{"one"}, report::Collected{}})}});
  net.say(3, mesh::LogPush{{story(other, {report::Opened{"other"}})}});
  // Its stories go on, each to those that it was told to.
  for (int i = 0; i < 10; ++i) {
    net.run(Duration::milliseconds(500));
    net.say(1, mesh::LogPush{{story(one, {report::Offered{1}})}});
    net.say(3, mesh::LogPush{{story(other, {report::Offered{2}, report::Offered{3}})}});
  }
  CHECK(net.all_know());
  net.require_one_end();
  for (const Host& host : net.hosts) {
    CHECK(host.node.ledger().digest() == net.hosts.front().node.ledger().digest());
  }
  const uint64_t before = net.pushes;
  for (int i = 0; i < 5; ++i) {
    net.say(1, mesh::LogPush{{story(one, {report::Offered{4}})}});
    net.run(Duration::seconds(1));
  }
  CHECK(net.pushes == before);
}

TEST_CASE("forked log: a scheduler that signs two is followed no more", "[node]") {
  Net net(3);
  const mesh::Claim claim = net.forker.own_claim();
  for (mesh::LinkId link = 1; link <= 3; ++link) net.say(link, mesh::Announce{claim});
  net.run(Duration::seconds(1));
  mesh::Ledger one(net.forker.crypto);
  mesh::Ledger other(net.forker.crypto);
  const report::Entry name = test::named(2);
  net.say(1, mesh::LogPush{{story(one, {name, report::Enlisted{net.forker.id(), 0, 0, 1}})}});
  net.say(2, mesh::LogPush{{story(other, {name})}});
  for (const Host& host : net.hosts) CHECK(host.node.election().claim() == claim);
  net.run(Duration::seconds(5));
  CHECK(net.all_know());
  for (const Host& host : net.hosts) CHECK(host.node.election().claim().term > 1);
  net.require_one_end();
}
