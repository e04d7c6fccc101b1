#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "mesh/io/address.hpp"
#include "mesh/io/descriptor.hpp"
#include "mesh/io/transport.hpp"
#include "mesh/io/zmq_sockets.hpp"

// The inside of Transport, for its three sources only: transport.cpp turns the loop, and
// transport_accepted.cpp and transport_dialled.cpp each have one kind of link.
//
// All descriptors of ZeroMQ are watched by one epoll set. They are edge-triggered in effect, so
// what became ready stays in `ready` until it has been read to its end.

namespace dagz::mesh {

// Received from one socket before the next has its turn.
inline constexpr std::size_t kTurnMax = 64;
// How often dials that are under way are looked at for having taken too long.
inline constexpr Duration kDialTick = Duration::milliseconds(250);

// What can become ready, in the order of service: verdicts before data.
enum class Source : uint8_t {
  kWake = 0,
  kTimer,
  kGatekeeper,
  kListenerMonitor,
  kLinkMonitor,
  kConfirm,
  kListener,
  kLink,
};

using Token = uint64_t;
inline constexpr int kSourceShift = 56;

constexpr Token token_of(Source source, uint64_t id = 0) {
  return (static_cast<Token>(source) << kSourceShift) | id;
}
constexpr Source source_of(Token token) { return static_cast<Source>(token >> kSourceShift); }
constexpr uint64_t id_of(Token token) { return token & ((Token{1} << kSourceShift) - 1); }

inline constexpr Token kFirstData = token_of(Source::kListener);

inline std::size_t index_of(Lane lane) { return static_cast<std::size_t>(lane); }

inline std::size_t message_max(Lane lane) {
  return lane == Lane::kControl ? kControlMessageMax : kBulkMessageMax;
}

enum class DialState : uint8_t { kConnecting, kHandshaking, kConfirming, kUp, kEnding };

struct Dialled {
  zmq::socket_t socket;
  Monitor monitor;
  Lane lane = Lane::kControl;
  Address address;
  DialState state = DialState::kConnecting;
  Instant since;  // when it entered the state
  // What LinkDown will say, unless confirming finds that nobody listens.
  DownReason reason = DownReason::kClosed;
  Descriptor confirm;
};

struct Accepted {
  Lane lane = Lane::kControl;
  std::string routing_id;
  int fd = -1;  // libzmq's, as a name only
  Address peer;
  bool closed_here = false;
};

// A TCP connection that a listener took, by descriptor. Descriptors are reused, so a link belongs
// to one only until the monitor reports the next connection.
struct Connection {
  bool open = false;
  LinkId link = 0;  // 0 until its first message
};

struct Listener {
  zmq::socket_t socket;
  Monitor monitor;
  std::map<std::string, LinkId> links;
  std::map<int, Connection> connections;
  std::vector<LinkId> ending;  // disconnected; LinkDown once the socket is empty
};

struct Transport::Impl {
  explicit Impl(const Keyring& keys) : keyring(keys) {}

  const Keyring& keyring;
  TransportStats stats;
  std::optional<zmq::context_t> context;
  Descriptor epoll;
  Descriptor wake;   // readable while `ready` holds what a bounded drain left
  Descriptor timer;  // ticks while a dial is under way
  bool wake_armed = false;
  Gatekeeper gatekeeper;
  std::array<std::optional<Listener>, 2> listeners;
  std::map<LinkId, Dialled> dialled;
  std::map<LinkId, Accepted> accepted;
  std::set<Token> ready;
  Token cursor = kFirstData;  // whose turn it is among the data sockets
  uint64_t monitor_count = 0;
  LinkId last_link = 0;

  std::string open();
  std::string bind(Lane lane, const Address& address, std::string& bound);
  LinkId dial(const Address& address, Lane lane);
  bool send(LinkId link, std::span<const uint8_t> bytes);
  void close(LinkId link);
  void flush_and_close(Duration linger);
  void drain(std::vector<TransportEvent>& out, std::size_t budget);

  bool watch(int fd, uint32_t events, Token token) const;
  void unwatch(int fd) const { epoll_ctl(epoll.get(), EPOLL_CTL_DEL, fd, nullptr); }
  void collect_ready();
  void arm_wake(bool on);
  void arm_timer() const;
  void pass(Token begin, Token end, std::vector<TransportEvent>& out, std::size_t& budget);
  bool service(Token token, std::vector<TransportEvent>& out, std::size_t& budget);

  bool serve_listener(Lane lane, std::vector<TransportEvent>& out, std::size_t& budget);
  void read_listener_monitor(Lane lane);
  void take(Lane lane, std::vector<zmq::message_t> frames, std::vector<TransportEvent>& out);
  LinkId accept(Lane lane, Listener& listener, std::string routing_id, int fd);
  void end_accepted(Listener& listener, LinkId link);
  void cut(int fd, const Address& peer) const;
  void report_ended(Listener& listener, std::vector<TransportEvent>& out);

  bool serve_link(LinkId link, std::vector<TransportEvent>& out, std::size_t& budget);
  void read_link_monitor(LinkId link, std::vector<TransportEvent>& out);
  void handle_dial_event(LinkId link, Dialled& dial, const MonitorEvent& event,
                         std::vector<TransportEvent>& out);
  void confirm(LinkId link, Dialled& dial, DownReason otherwise);
  void finish_confirm(LinkId link, Dialled& dial, int error);
  void end_dialled(LinkId link, Dialled& dial, DownReason reason);
  void expire_dials();
  void forget_dialled(LinkId link);
  bool send_accepted(const Accepted& link, std::span<const uint8_t> bytes);
};

}  // namespace dagz::mesh
