#include <cerrno>
#include <cstring>
#include <utility>

#include "mesh/io/transport_impl.hpp"

namespace dagz::mesh {
namespace {

// ROUTER makes ids of this form; any other was chosen by the peer.
constexpr std::size_t kRoutingIdSize = 5;

std::optional<Address> peer_of(int fd) {
  Address peer;
  peer.size = sizeof peer.storage;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer.storage), &peer.size) != 0) {
    return std::nullopt;
  }
  return peer;
}

bool same_address(const Address& a, const Address& b) {
  return a.size == b.size && std::memcmp(&a.storage, &b.storage, a.size) == 0;
}

std::string bind_error(const Address& address, int error) {
  const std::string port = std::to_string(address.port());
  if (error == EADDRINUSE) {
    return "cannot listen: port " + port + " on " + address.host() +
           " is in use; choose another with --listen, or leave it to the system";
  }
  if (error == EADDRNOTAVAIL) {
    return "cannot listen: no interface of this host has the address " + address.host();
  }
  return "cannot listen on " + address.text() + ": " + std::strerror(error);
}

}  // namespace

std::string Transport::Impl::bind(Lane lane, const Address& address, std::string& bound) {
  Listener listener;
  try {
    listener.socket = make_router(*context, keyring, lane, address.is_ipv6());
    listener.monitor = Monitor(*context, listener.socket, ++monitor_count);
    const std::string port = address.port() == 0 ? "*" : std::to_string(address.port());
    const std::string host = address.is_ipv6() ? "[" + address.host() + "]" : address.host();
    listener.socket.bind("tcp://" + host + ":" + port);
  } catch (const zmq::error_t& error) {
    return bind_error(address, error.num());
  }
  bound = bound_address(listener.socket);
  const uint64_t id = index_of(lane);
  const bool watched =
      watch(descriptor_of(listener.socket), EPOLLIN, token_of(Source::kListener, id)) &&
      watch(listener.monitor.descriptor(), EPOLLIN, token_of(Source::kListenerMonitor, id));
  if (!watched) return bind_error(address, errno);
  listeners[index_of(lane)] = std::move(listener);
  // Its descriptors may have become readable before they were watched.
  ready.insert(token_of(Source::kListener, id));
  ready.insert(token_of(Source::kListenerMonitor, id));
  arm_wake(true);
  return "";
}

bool Transport::Impl::serve_listener(Lane lane, std::vector<TransportEvent>& out,
                                     std::size_t& budget) {
  std::optional<Listener>& listener = listeners[index_of(lane)];
  if (!listener) return true;
  for (std::size_t turn = 0; turn < kTurnMax; ++turn) {
    if (budget == 0) return false;
    std::vector<zmq::message_t> frames = receive(listener->socket, 3);
    if (frames.empty()) {
      report_ended(*listener, out);
      return true;
    }
    take(lane, std::move(frames), out);
    --budget;  // for the malformed as well: a flood of them must not hold up the loop
  }
  return false;
}

void Transport::Impl::take(Lane lane, std::vector<zmq::message_t> frames,
                           std::vector<TransportEvent>& out) {
  Listener& listener = *listeners[index_of(lane)];
  if (frames.size() != 2) {
    ++stats.messages_rejected;
    return;
  }
  std::string routing_id(static_cast<const char*>(frames[0].data()), frames[0].size());
  const auto known = listener.links.find(routing_id);
  LinkId link = known == listener.links.end() ? 0 : known->second;
  if (link == 0) {
    link =
        accept(lane, listener, std::move(routing_id), zmq_msg_get(frames[1].handle(), ZMQ_SRCFD));
  }
  if (link == 0 || accepted.at(link).closed_here) {
    ++stats.messages_rejected;
    return;
  }
  ++stats.messages_in;
  stats.bytes_in += frames[1].size();
  const auto* data = static_cast<const uint8_t*>(frames[1].data());
  out.push_back(Received{link, lane, Buffer(data, data + frames[1].size())});
}

// The number of a new link, or 0 if it is not wanted.
LinkId Transport::Impl::accept(Lane lane, Listener& listener, std::string routing_id, int fd) {
  read_listener_monitor(lane);  // what it says of this descriptor came before the message
  const auto peer = peer_of(fd);
  const bool chosen_by_peer = routing_id.size() != kRoutingIdSize || routing_id[0] != '\0';
  if (chosen_by_peer || listener.links.size() >= kAcceptedLinksMax) {
    if (peer) cut(fd, *peer);
    return 0;
  }
  const LinkId link = ++last_link;
  Accepted entry;
  entry.lane = lane;
  entry.routing_id = routing_id;
  entry.fd = fd;
  if (peer) entry.peer = *peer;
  accepted.emplace(link, std::move(entry));
  listener.links.emplace(std::move(routing_id), link);

  Connection& connection = listener.connections[fd];
  if (connection.link != 0) end_accepted(listener, connection.link);
  connection.link = link;
  if (!connection.open) end_accepted(listener, link);  // gone already: these are its last words
  return link;
}

void Transport::Impl::read_listener_monitor(Lane lane) {
  std::optional<Listener>& listener = listeners[index_of(lane)];
  if (!listener) return;
  while (const auto event = listener->monitor.next()) {
    const int fd = static_cast<int>(event->value);
    switch (event->kind) {
      case ZMQ_EVENT_ACCEPTED: {
        Connection& connection = listener->connections[fd];
        if (connection.link != 0) end_accepted(*listener, connection.link);
        connection = Connection{true, 0};
        break;
      }
      case ZMQ_EVENT_DISCONNECTED: {
        Connection& connection = listener->connections[fd];
        connection.open = false;
        if (connection.link != 0) end_accepted(*listener, connection.link);
        break;
      }
      case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
      case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
      case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        ++stats.handshakes_refused;
        break;
      default:
        break;
    }
  }
}

// Its messages may still wait in the socket; LinkDown follows when that is empty.
void Transport::Impl::end_accepted(Listener& listener, LinkId link) {
  const Accepted& entry = accepted.at(link);
  listener.connections[entry.fd].link = 0;
  listener.ending.push_back(link);
  ready.insert(token_of(Source::kListener, index_of(entry.lane)));
}

void Transport::Impl::report_ended(Listener& listener, std::vector<TransportEvent>& out) {
  for (const LinkId link : std::exchange(listener.ending, {})) {
    const auto found = accepted.find(link);
    if (!found->second.closed_here) {
      out.push_back(LinkDown{link, found->second.lane, DownReason::kClosed});
    }
    listener.links.erase(found->second.routing_id);
    accepted.erase(found);
  }
}

// libzmq cannot end one connection of a ROUTER. Shutting its descriptor down can, provided that it
// still is that connection; libzmq then sees the end of the stream and cleans up.
void Transport::Impl::cut(int fd, const Address& peer) const {
  const auto now = peer_of(fd);
  if (now && same_address(*now, peer)) shutdown(fd, SHUT_RDWR);
}

bool Transport::Impl::send_accepted(const Accepted& link, std::span<const uint8_t> bytes) {
  void* socket = listeners[index_of(link.lane)]->socket.handle();
  const std::string& id = link.routing_id;
  if (zmq_send(socket, id.data(), id.size(), ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0) return false;
  return zmq_send(socket, bytes.data(), bytes.size(), ZMQ_DONTWAIT) >= 0;
}

}  // namespace dagz::mesh
