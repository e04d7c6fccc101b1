#include "mesh/io/transport.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <zmq.hpp>

#include "mesh/io/address.hpp"
#include "mesh/io/descriptor.hpp"
#include "mesh/io/system_clock.hpp"

// Two and more transports on loopback, in one process unless a peer has to die.

namespace {

using namespace dagz;
using namespace dagz::mesh;

constexpr Duration kPatience = Duration::seconds(10);

Secret root_of(uint8_t fill) {
  Secret root(32);
  std::fill_n(root.data(), root.size(), fill);
  return root;
}

Buffer bytes_of(const std::string& text) { return Buffer(text.begin(), text.end()); }

struct Peer {
  explicit Peer(uint8_t secret = 1) : keyring(root_of(secret), "run"), transport(keyring) {
    REQUIRE(transport.open().empty());
  }
  void listen() {
    address = transport.listen("127.0.0.1", 0);
    CAPTURE(address.error);
    REQUIRE(address.error.empty());
  }
  template <class Event>
  std::vector<Event> all() const {
    std::vector<Event> found;
    for (const TransportEvent& event : events) {
      if (const auto* match = std::get_if<Event>(&event)) found.push_back(*match);
    }
    return found;
  }
  template <class Event>
  bool has() const {
    return !all<Event>().empty();
  }

  Keyring keyring;
  Transport transport;
  Listen address;
  std::vector<TransportEvent> events;
};

// Runs the loops of all peers until `done`; false when that takes too long.
bool run(const std::vector<Peer*>& peers, const std::function<bool()>& done,
         Duration patience = kPatience) {
  const Instant deadline = monotonic_now() + patience;
  while (monotonic_now() < deadline) {
    for (Peer* peer : peers) peer->transport.drain(peer->events, 256);
    if (done()) return true;
    std::vector<pollfd> items;
    for (Peer* peer : peers) items.push_back({peer->transport.poll_fd(), POLLIN, 0});
    poll(items.data(), items.size(), 100);
  }
  return false;
}

// A dialled link to `listener`, up, and the listener's number for it.
struct Pair {
  LinkId dialled = 0;
  LinkId accepted = 0;
};
Pair connect(Peer& dialler, Peer& listener, Lane lane = Lane::kControl) {
  Pair pair;
  const auto& address = listener.address;
  pair.dialled = dialler.transport.dial(
      lane == Lane::kControl ? address.control_address : address.bulk_address, lane);
  REQUIRE(pair.dialled != 0);
  REQUIRE(run({&dialler, &listener}, [&] { return dialler.has<LinkUp>(); }));
  REQUIRE(dialler.transport.send(pair.dialled, bytes_of("hello")));
  REQUIRE(run({&dialler, &listener}, [&] { return listener.has<Received>(); }));
  pair.accepted = listener.all<Received>().back().link;
  dialler.events.clear();
  listener.events.clear();
  return pair;
}

uint16_t unused_port() {
  const Descriptor fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  Address any = *make_address("127.0.0.1", 0);
  REQUIRE(bind(fd.get(), any.get(), any.size) == 0);
  REQUIRE(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&any.storage), &any.size) == 0);
  return any.port();
}

}  // namespace

TEST_CASE("transport: a dialled link carries messages both ways", "[mesh][io]") {
  const Lane lane = GENERATE(Lane::kControl, Lane::kBulk);
  Peer a;
  Peer b;
  b.listen();
  const Pair pair = connect(a, b, lane);

  REQUIRE(b.transport.send(pair.accepted, bytes_of("answer")));
  REQUIRE(run({&a, &b}, [&] { return a.has<Received>(); }));
  const Received answer = a.all<Received>()[0];
  CHECK(answer.link == pair.dialled);
  CHECK(answer.lane == lane);
  CHECK(answer.bytes == bytes_of("answer"));
  CHECK(a.transport.stats().messages_out == 1);
  CHECK(a.transport.stats().bytes_in == 6);
  CHECK(b.transport.stats().messages_in == 1);
}

TEST_CASE("transport: nothing can be sent before a link is up", "[mesh][io]") {
  Peer a;
  Peer b;
  b.listen();
  const LinkId link = a.transport.dial(b.address.control_address, Lane::kControl);
  CHECK_FALSE(a.transport.send(link, bytes_of("early")));
  CHECK_FALSE(a.transport.send(link + 1, bytes_of("nobody")));
  CHECK(a.transport.stats().sends_refused == 2);
}

TEST_CASE("transport: a wrong secret is rejected, not retried", "[mesh][io]") {
  Peer a(1);
  Peer b(2);
  b.listen();
  const Instant start = monotonic_now();
  const LinkId link = a.transport.dial(b.address.control_address, Lane::kControl);
  REQUIRE(run({&a, &b}, [&] { return a.has<LinkDown>(); }));
  CHECK(monotonic_now() - start < Duration::seconds(2));
  const LinkDown down = a.all<LinkDown>()[0];
  CHECK(down.link == link);
  CHECK(down.reason == DownReason::kRejected);
  REQUIRE(run({&a, &b}, [&] { return b.transport.stats().handshakes_refused > 0; }));

  run(
      {&a, &b}, [] { return false; }, Duration::milliseconds(300));
  CHECK(a.events.size() == 1);
  CHECK(b.events.empty());
  CHECK(b.transport.stats().handshakes_refused <= 2);  // the link, and the question who is there
}

TEST_CASE("transport: who knows only the server's key is not admitted", "[mesh][io]") {
  Peer b;
  b.listen();
  zmq::context_t context;
  zmq::socket_t stranger(context, zmq::socket_type::dealer);
  stranger.set(zmq::sockopt::linger, 0);
  char public_key[41];
  char secret_key[41];
  REQUIRE(zmq_curve_keypair(public_key, secret_key) == 0);
  const auto& server = b.keyring.curve_server().public_key;
  REQUIRE(zmq_setsockopt(stranger.handle(), ZMQ_CURVE_SERVERKEY, server.data(), 32) == 0);
  stranger.set(zmq::sockopt::curve_publickey, public_key);
  stranger.set(zmq::sockopt::curve_secretkey, secret_key);
  stranger.connect("tcp://" + b.address.control_address);
  stranger.send(zmq::str_buffer("let me in"), zmq::send_flags::dontwait);
  REQUIRE(run({&b}, [&] { return b.transport.stats().handshakes_refused > 0; }));
  run(
      {&b}, [] { return false; }, Duration::milliseconds(100));
  CHECK(b.events.empty());
}

TEST_CASE("transport: a routing id chosen by the peer is turned away", "[mesh][io]") {
  Peer b;
  b.listen();
  zmq::context_t context;
  zmq::socket_t rogue(context, zmq::socket_type::dealer);  // a member, with all keys
  rogue.set(zmq::sockopt::linger, 0);
  rogue.set(zmq::sockopt::routing_id, "mine");
  const auto& keys = b.keyring;
  zmq_setsockopt(rogue.handle(), ZMQ_CURVE_SERVERKEY, keys.curve_server().public_key.data(), 32);
  zmq_setsockopt(rogue.handle(), ZMQ_CURVE_PUBLICKEY, keys.curve_client().public_key.data(), 32);
  zmq_setsockopt(rogue.handle(), ZMQ_CURVE_SECRETKEY, keys.curve_client().secret_key.data(), 32);
  rogue.connect("tcp://" + b.address.control_address);
  rogue.send(zmq::str_buffer("hello"), zmq::send_flags::dontwait);
  REQUIRE(run({&b}, [&] { return b.transport.stats().messages_rejected > 0; }));
  CHECK(b.events.empty());
}

TEST_CASE("address: what is called loopback by its name is localhost alone", "[mesh]") {
  for (const char* host : {"localhost", "127.0.0.1", "127.9.8.7", "127.1", "::1", "[::1]"}) {
    INFO(host);
    CHECK(is_loopback_host(host));
  }
  for (const char* host :
       {"127.example.org", "127.0.0.1.example.org", "128.0.0.1", "::2", "localhost.example", ""}) {
    INFO(host);
    CHECK_FALSE(is_loopback_host(host));
  }
}

TEST_CASE("transport: a port where nobody listens is refused at once", "[mesh][io]") {
  Peer a;
  const std::string nobody = "127.0.0.1:" + std::to_string(unused_port());
  const LinkId link = a.transport.dial(nobody, Lane::kControl);
  REQUIRE(run({&a}, [&] { return a.has<LinkDown>(); }));
  const LinkDown down = a.all<LinkDown>()[0];
  CHECK(down.link == link);
  CHECK(down.reason == DownReason::kRefused);
  run(
      {&a}, [] { return false; }, Duration::milliseconds(100));
  CHECK(a.events.size() == 1);
}

TEST_CASE("transport: a listener that never answers times out", "[mesh][io]") {
  Peer a;
  const Descriptor mute(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  Address address = *make_address("127.0.0.1", 0);
  REQUIRE(bind(mute.get(), address.get(), address.size) == 0);
  REQUIRE(listen(mute.get(), 1) == 0);
  getsockname(mute.get(), reinterpret_cast<sockaddr*>(&address.storage), &address.size);
  a.transport.dial(address.text(), Lane::kControl);
  REQUIRE(run({&a}, [&] { return a.has<LinkDown>(); }));
  CHECK(a.all<LinkDown>()[0].reason == DownReason::kTimedOut);
}

TEST_CASE("transport: somebody who is no dagz is rejected", "[mesh][io]") {
  Peer a;
  const Descriptor web(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  Address address = *make_address("127.0.0.1", 0);
  REQUIRE(bind(web.get(), address.get(), address.size) == 0);
  REQUIRE(listen(web.get(), 4) == 0);
  getsockname(web.get(), reinterpret_cast<sockaddr*>(&address.storage), &address.size);
  a.transport.dial(address.text(), Lane::kControl);
  const Descriptor visitor(accept(web.get(), nullptr, nullptr));
  const std::string answer =
      "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n" + std::string(100, ' ');
  REQUIRE(write(visitor.get(), answer.data(), answer.size()) > 0);
  shutdown(visitor.get(), SHUT_RDWR);
  REQUIRE(run({&a}, [&] { return a.has<LinkDown>(); }));
  CHECK(a.all<LinkDown>()[0].reason == DownReason::kRejected);
}

TEST_CASE("transport: only numeric addresses are dialled", "[mesh][io]") {
  Peer a;
  CHECK(a.transport.dial("localhost:4242", Lane::kControl) == 0);
  CHECK(a.transport.dial("127.0.0.1", Lane::kControl) == 0);
  CHECK(a.transport.dial("127.0.0.1:0", Lane::kControl) == 0);
  CHECK(a.transport.dial("", Lane::kControl) == 0);
}

TEST_CASE("transport: a port in use is named", "[mesh][io]") {
  Peer a;
  a.listen();
  Peer b;
  const uint16_t port = parse_address(a.address.control_address)->port();
  const Listen failed = b.transport.listen("127.0.0.1", port);
  CHECK_THAT(failed.error, Catch::Contains(std::to_string(port)) && Catch::Contains("in use"));
  const Listen elsewhere = b.transport.listen("192.0.2.1", 0);  // nobody's address
  CHECK_THAT(elsewhere.error, Catch::Contains("no interface"));
  CHECK_THAT(b.transport.listen("host", 0).error, Catch::Contains("numeric"));
}

TEST_CASE("transport: a port that is given serves control, the next one bulk", "[mesh][io]") {
  Peer a;
  uint16_t port = 0;
  for (int tries = 0; tries < 20; ++tries) {  // both must happen to be free
    port = unused_port();
    a.address = a.transport.listen("127.0.0.1", port);
    if (a.address.error.empty()) break;
  }
  REQUIRE(a.address.error.empty());
  CHECK(a.address.control_address == "127.0.0.1:" + std::to_string(port));
  CHECK(a.address.bulk_address == "127.0.0.1:" + std::to_string(port + 1));
}

TEST_CASE("transport: all that was sent arrives before the end of an accepted link", "[mesh][io]") {
  Peer b;
  b.listen();
  auto a = std::make_unique<Peer>();
  const Pair pair = connect(*a, b);
  for (uint8_t i = 0; i < 200; ++i) REQUIRE(a->transport.send(pair.dialled, Buffer{i}));
  a->transport.flush_and_close(Duration::milliseconds(500));
  a.reset();
  REQUIRE(run({&b}, [&] { return b.has<LinkDown>(); }));
  const auto received = b.all<Received>();
  REQUIRE(received.size() == 200);
  for (std::size_t i = 0; i < received.size(); ++i) {
    CHECK(received[i].link == pair.accepted);
    CHECK(received[i].bytes[0] == i);
  }
  CHECK(std::holds_alternative<LinkDown>(b.events.back()));
  CHECK(b.all<LinkDown>()[0].link == pair.accepted);
  CHECK_FALSE(b.transport.send(pair.accepted, bytes_of("gone")));
}

TEST_CASE("transport: all that was sent arrives before the end of a dialled link", "[mesh][io]") {
  Peer a;
  auto b = std::make_unique<Peer>();
  b->listen();
  const Pair pair = connect(a, *b);
  for (uint8_t i = 0; i < 200; ++i) REQUIRE(b->transport.send(pair.accepted, Buffer{i}));
  b->transport.flush_and_close(Duration::milliseconds(500));
  b.reset();
  REQUIRE(run({&a}, [&] { return a.has<LinkDown>(); }));
  CHECK(a.all<Received>().size() == 200);
  CHECK(std::holds_alternative<LinkDown>(a.events.back()));
  CHECK(a.all<LinkDown>()[0].reason == DownReason::kClosed);
  CHECK_FALSE(a.transport.send(pair.dialled, bytes_of("gone")));
}

TEST_CASE("transport: closing a link ends it on the other side, silently on this", "[mesh][io]") {
  Peer a;
  Peer b;
  b.listen();
  const Pair pair = connect(a, b);
  SECTION("by the dialler") {
    a.transport.close(pair.dialled);
    REQUIRE(run({&a, &b}, [&] { return b.has<LinkDown>(); }));
    CHECK(a.events.empty());
  }
  SECTION("by the listener") {
    b.transport.close(pair.accepted);
    CHECK_FALSE(b.transport.send(pair.accepted, bytes_of("more")));
    REQUIRE(run({&a, &b}, [&] { return a.has<LinkDown>(); }));
    CHECK(a.all<LinkDown>()[0].reason == DownReason::kClosed);
    CHECK(b.events.empty());
  }
}

TEST_CASE("transport: links that come and go on reused descriptors are told apart", "[mesh][io]") {
  Peer b;
  b.listen();
  Peer a;
  std::vector<LinkId> ended;
  LinkId last = 0;
  for (int round = 0; round < 30; ++round) {
    const Pair pair = connect(a, b);
    CHECK(pair.accepted > last);
    last = pair.accepted;
    a.transport.close(pair.dialled);
    if (round % 2 == 0) {
      REQUIRE(run({&a, &b}, [&] {  // among those of former rounds
        const auto downs = b.all<LinkDown>();
        return std::any_of(downs.begin(), downs.end(),
                           [&](const LinkDown& down) { return down.link == pair.accepted; });
      }));
    } else {
      CHECK(connect(a, b).dialled != pair.dialled);  // LinkDown of that may come now or not
      CHECK(b.events.empty());
      a.transport.close(a.transport.dial(b.address.control_address, Lane::kControl));
    }
    b.events.clear();
    a.events.clear();
  }
}

TEST_CASE("transport: a bounded drain leaves the rest and says so", "[mesh][io]") {
  Peer a;
  Peer b;
  b.listen();
  const Pair pair = connect(a, b);
  for (int i = 0; i < 1000; ++i) REQUIRE(a.transport.send(pair.dialled, bytes_of("x")));
  std::size_t received = 0;
  const Instant deadline = monotonic_now() + kPatience;
  while (received < 1000 && monotonic_now() < deadline) {
    pollfd item{b.transport.poll_fd(), POLLIN, 0};
    REQUIRE(poll(&item, 1, 5000) == 1);  // never goes quiet while something is left
    std::vector<TransportEvent> events;
    b.transport.drain(events, 7);
    REQUIRE(events.size() <= 7);
    received += events.size();
  }
  CHECK(received == 1000);
}

TEST_CASE("transport: answers are seen although sending swallows their signal", "[mesh][io]") {
  Peer a;
  Peer b;
  b.listen();
  const Pair pair = connect(a, b);
  for (int round = 0; round < 2000; ++round) {
    REQUIRE(a.transport.send(pair.dialled, bytes_of("ping")));
    REQUIRE(b.transport.send(pair.accepted, bytes_of("pong")));
  }
  REQUIRE(run({&a, &b}, [&] {
    return a.all<Received>().size() == 2000 && b.all<Received>().size() == 2000;
  }));
}

TEST_CASE("transport: a message longer than its lane allows is not sent", "[mesh][io]") {
  Peer a;
  Peer b;
  b.listen();
  const Pair pair = connect(a, b);
  CHECK_FALSE(a.transport.send(pair.dialled, Buffer(kControlMessageMax + 1)));
  CHECK(a.transport.send(pair.dialled, Buffer(kControlMessageMax)));
  REQUIRE(run({&a, &b}, [&] { return b.has<Received>(); }));
  CHECK(b.all<Received>()[0].bytes.size() == kControlMessageMax);
}

TEST_CASE("transport: a full queue refuses instead of blocking", "[mesh][io]") {
  Peer a;
  Peer b;
  b.listen();
  const Pair pair = connect(a, b);
  const Buffer big(4 * 1024);
  int sent = 0;
  while (sent < 100000 && a.transport.send(pair.dialled, big)) ++sent;
  CHECK(sent < 100000);
  const auto want = static_cast<std::size_t>(sent);
  CHECK(run({&a, &b}, [&] { return b.transport.stats().messages_in >= want; }));
  CHECK(run({&a, &b}, [&] { return a.transport.send(pair.dialled, bytes_of("again")); }));
}

TEST_CASE("transport: a killed process is seen at once, by both ends", "[mesh][io]") {
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  const bool child_listens = GENERATE(true, false);
  Peer* here = nullptr;
  std::string here_address;
  // The child comes first: a context of ZeroMQ does not survive fork.
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    Peer there;
    if (child_listens) there.listen();
    const std::string line = there.address.control_address + "\n";
    if (child_listens && write(ends[1], line.data(), line.size()) < 0) _exit(1);
    if (!child_listens) {
      char text[64] = {};
      if (read(ends[0], text, sizeof text - 1) <= 0) _exit(1);
      const LinkId link = there.transport.dial(text, Lane::kControl);
      run({&there}, [&] { return there.transport.send(link, bytes_of("hello")); });
    }
    run(
        {&there}, [] { return false; }, Duration::seconds(60));
    _exit(0);
  }
  Peer parent;
  here = &parent;
  if (child_listens) {
    char text[64] = {};
    REQUIRE(read(ends[0], text, sizeof text - 1) > 0);
    *std::strchr(text, '\n') = '\0';
    here->transport.dial(text, Lane::kControl);
    REQUIRE(run({here}, [&] { return here->has<LinkUp>(); }));
  } else {
    here->listen();
    here_address = here->address.control_address;
    REQUIRE(write(ends[1], here_address.data(), here_address.size()) > 0);
    REQUIRE(run({here}, [&] { return here->has<Received>(); }));
  }
  kill(child, SIGKILL);
  CHECK(run({here}, [&] { return here->has<LinkDown>(); }));
  waitpid(child, nullptr, 0);
  close(ends[0]);
  close(ends[1]);
}

TEST_CASE("transport: no descriptor is left open for programs that are started", "[mesh][io]") {
  Peer a;
  Peer b;
  b.listen();
  REQUIRE(connect(a, b).dialled != 0);
  int open_ones = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename());
    if (fd <= 2) continue;
    const std::string target = std::filesystem::read_symlink(entry.path());
    const bool ours = target.rfind("socket:", 0) == 0 || target.rfind("anon_inode:", 0) == 0;
    if (ours && (fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0) ++open_ones;
  }
  CHECK(open_ones == 0);
}

TEST_CASE("transport: a descriptor limit is raised and its former value known", "[mesh][io]") {
  const uint64_t before = raise_descriptor_limit();
  rlimit limit{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  CHECK(limit.rlim_cur >= before);
  limit.rlim_cur = before;
  setrlimit(RLIMIT_NOFILE, &limit);
}
