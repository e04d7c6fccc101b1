#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "mesh/io/keyring.hpp"
#include "mesh/link.hpp"
#include "mesh/time.hpp"

// How sockets of ZeroMQ are set up and watched; only the transport uses this. Functions that make
// sockets throw zmq::error_t, to be caught by the transport; all others give values.

namespace dagz::mesh {

// A SYN that is lost is sent again after a second: give that one a chance.
inline constexpr Duration kConnectWithin = Duration::milliseconds(1500);
// The other side's loop must answer whether we are admitted; longer than a stall by a CPU quota.
inline constexpr Duration kHandshakeWithin = Duration::seconds(2);

// Listens: admits holders of the keyring's client key, once the gatekeeper answers.
zmq::socket_t make_router(zmq::context_t& context, const Keyring& keyring, Lane lane, bool ipv6);
// Dials: believes holders of the keyring's server key.
zmq::socket_t make_dealer(zmq::context_t& context, const Keyring& keyring, Lane lane, bool ipv6);

// Becomes readable when something may have happened; edge-triggered, see Transport.
int descriptor_of(zmq::socket_t& socket);
bool is_readable(zmq::socket_t& socket);
void set_linger(zmq::socket_t& socket, Duration linger);

// "127.0.0.1:4242" for what the socket is bound to.
std::string bound_address(zmq::socket_t& socket);

// Receives without blocking: the frames of one message, of which those after the first `frames_max`
// are dropped. Empty when there is none.
std::vector<zmq::message_t> receive(zmq::socket_t& socket, std::size_t frames_max);

struct MonitorEvent {
  uint16_t kind = 0;   // ZMQ_EVENT_*
  uint32_t value = 0;  // mostly a descriptor, see zmq_socket_monitor(3)
};

// What libzmq tells about the connections of one socket, which must live longer.
class Monitor {
 public:
  Monitor() = default;
  Monitor(zmq::context_t& context, zmq::socket_t& observed, uint64_t number);
  ~Monitor();
  Monitor(Monitor&& other) noexcept;
  Monitor& operator=(Monitor&& other) noexcept;
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  int descriptor() { return descriptor_of(socket_); }
  std::optional<MonitorEvent> next();

 private:
  void* observed_ = nullptr;
  zmq::socket_t socket_;
};

// Answers libzmq's question whether a client key may come in (ZAP, RFC 27). Without it everybody
// who knows the server key would do.
class Gatekeeper {
 public:
  Gatekeeper() = default;
  Gatekeeper(zmq::context_t& context, const Keyring& keyring);

  int descriptor() { return descriptor_of(socket_); }
  // Answers all that is asked.
  void serve();

 private:
  bool admits(const std::vector<zmq::message_t>& request) const;

  const Keyring* keyring_ = nullptr;
  zmq::socket_t socket_;
};

}  // namespace dagz::mesh
