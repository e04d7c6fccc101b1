#include "mesh/io/zmq_sockets.hpp"

#include <sodium.h>

#include <array>
#include <cstring>
#include <string_view>
#include <utility>

#include "mesh/io/transport.hpp"

namespace dagz::mesh {
namespace {

constexpr std::string_view kZapDomain = "dagz";
constexpr std::string_view kZapEndpoint = "inproc://zeromq.zap.01";

// libzmq's limit counts a message as it is encrypted: 33 bytes more.
constexpr int64_t kCurveOverheadMax = 64;

// Frames of a ZAP request as our ROUTER sees them.
enum ZapFrame : std::size_t {
  kZapPipe = 0,
  kZapDelimiter = 1,
  kZapVersion = 2,
  kZapRequest = 3,
  kZapDomainName = 4,
  kZapMechanism = 7,
  kZapKey = 8,
  kZapFrames = 9,
};

int as_ms(Duration duration) { return static_cast<int>(duration.ms()); }

void set_option(zmq::socket_t& socket, int option, int value) {
  if (zmq_setsockopt(socket.handle(), option, &value, sizeof value) != 0) throw zmq::error_t();
}

void set_option(zmq::socket_t& socket, int option, const void* data, std::size_t size) {
  if (zmq_setsockopt(socket.handle(), option, data, size) != 0) throw zmq::error_t();
}

void set_common_options(zmq::socket_t& socket, Lane lane, bool ipv6) {
  const bool control = lane == Lane::kControl;
  const auto message_max =
      static_cast<int64_t>(control ? kControlMessageMax : kBulkMessageMax) + kCurveOverheadMax;
  set_option(socket, ZMQ_LINGER, 0);
  set_option(socket, ZMQ_SNDTIMEO, 0);
  set_option(socket, ZMQ_SNDHWM, control ? 4000 : 1000);
  set_option(socket, ZMQ_RCVHWM, control ? 4000 : 1000);
  set_option(socket, ZMQ_MAXMSGSIZE, &message_max, sizeof message_max);
  set_option(socket, ZMQ_HANDSHAKE_IVL, as_ms(kHandshakeWithin));
  set_option(socket, ZMQ_IPV6, ipv6 ? 1 : 0);
  // A host that vanished sends no FIN. These free its sockets and queues; they judge nobody: probes
  // suspect after about a second and bury after about three, and until then a node that is merely
  // starved keeps its links (libzmq's thread answers them, stalls by CPU quotas last up to 0.8 s).
  // They also end a link whose receiver leaves its queue full for three seconds.
  set_option(socket, ZMQ_HEARTBEAT_IVL, 1000);
  set_option(socket, ZMQ_HEARTBEAT_TIMEOUT, 3000);
}

bool equals(const zmq::message_t& frame, std::string_view text) {
  return frame.size() == text.size() && std::memcmp(frame.data(), text.data(), text.size()) == 0;
}

}  // namespace

zmq::socket_t make_router(zmq::context_t& context, const Keyring& keyring, Lane lane, bool ipv6) {
  zmq::socket_t socket(context, zmq::socket_type::router);
  set_common_options(socket, lane, ipv6);
  set_option(socket, ZMQ_ROUTER_MANDATORY, 1);
  set_option(socket, ZMQ_BACKLOG, 1024);
  set_option(socket, ZMQ_CURVE_SERVER, 1);
  const Secret& secret = keyring.curve_server().secret_key;
  set_option(socket, ZMQ_CURVE_SECRETKEY, secret.data(), secret.size());
  set_option(socket, ZMQ_ZAP_DOMAIN, kZapDomain.data(), kZapDomain.size());
  return socket;
}

zmq::socket_t make_dealer(zmq::context_t& context, const Keyring& keyring, Lane lane, bool ipv6) {
  zmq::socket_t socket(context, zmq::socket_type::dealer);
  set_common_options(socket, lane, ipv6);
  // One attempt; whether to dial again is decided above. The documented ways to say so, an interval
  // of -1 or ZMQ_IMMEDIATE, both throw away what was received and not read when a link ends.
  set_option(socket, ZMQ_RECONNECT_IVL, as_ms(Duration::seconds(24 * 3600)));
  set_option(socket, ZMQ_CONNECT_TIMEOUT, as_ms(kConnectWithin));
  const auto& server = keyring.curve_server().public_key;
  const CurvePair& client = keyring.curve_client();
  set_option(socket, ZMQ_CURVE_SERVERKEY, server.data(), server.size());
  set_option(socket, ZMQ_CURVE_PUBLICKEY, client.public_key.data(), client.public_key.size());
  set_option(socket, ZMQ_CURVE_SECRETKEY, client.secret_key.data(), client.secret_key.size());
  return socket;
}

int descriptor_of(zmq::socket_t& socket) {
  int fd = -1;
  std::size_t size = sizeof fd;
  return zmq_getsockopt(socket.handle(), ZMQ_FD, &fd, &size) == 0 ? fd : -1;
}

bool is_readable(zmq::socket_t& socket) {
  int events = 0;
  std::size_t size = sizeof events;
  return zmq_getsockopt(socket.handle(), ZMQ_EVENTS, &events, &size) == 0 &&
         (events & ZMQ_POLLIN) != 0;
}

void set_linger(zmq::socket_t& socket, Duration linger) {
  const int value = as_ms(linger);
  zmq_setsockopt(socket.handle(), ZMQ_LINGER, &value, sizeof value);
}

std::string bound_address(zmq::socket_t& socket) {
  std::array<char, 256> text{};
  std::size_t size = text.size();
  if (zmq_getsockopt(socket.handle(), ZMQ_LAST_ENDPOINT, text.data(), &size) != 0) return "";
  const std::string endpoint = text.data();
  const std::string scheme = "tcp://";
  return endpoint.rfind(scheme, 0) == 0 ? endpoint.substr(scheme.size()) : endpoint;
}

std::vector<zmq::message_t> receive(zmq::socket_t& socket, std::size_t frames_max) {
  std::vector<zmq::message_t> frames;
  while (true) {
    zmq::message_t frame;
    if (zmq_msg_recv(frame.handle(), socket.handle(), ZMQ_DONTWAIT) < 0) return frames;
    const bool more = frame.more();
    if (frames.size() < frames_max) frames.push_back(std::move(frame));
    if (!more) return frames;
  }
}

Monitor::Monitor(zmq::context_t& context, zmq::socket_t& observed, uint64_t number) {
  const std::string endpoint = "inproc://monitor-" + std::to_string(number);
  const int events = ZMQ_EVENT_CONNECTED | ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_CLOSED |
                     ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED |
                     ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                     ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
  if (zmq_socket_monitor(observed.handle(), endpoint.c_str(), events) != 0) throw zmq::error_t();
  observed_ = observed.handle();
  socket_ = zmq::socket_t(context, zmq::socket_type::pair);
  set_option(socket_, ZMQ_LINGER, 0);
  // Without a limit: libzmq's thread would block on a full queue, and all links with it.
  set_option(socket_, ZMQ_RCVHWM, 0);
  socket_.connect(endpoint);
}

// libzmq's thread would block for ever on a monitor whose reader is gone, so it is stopped first.
Monitor::~Monitor() {
  if (observed_ != nullptr) zmq_socket_monitor(observed_, nullptr, 0);
}

Monitor::Monitor(Monitor&& other) noexcept
    : observed_(std::exchange(other.observed_, nullptr)), socket_(std::move(other.socket_)) {}

Monitor& Monitor::operator=(Monitor&& other) noexcept {
  std::swap(observed_, other.observed_);
  std::swap(socket_, other.socket_);
  return *this;
}

std::optional<MonitorEvent> Monitor::next() {
  const std::vector<zmq::message_t> frames = receive(socket_, 1);
  MonitorEvent event;
  if (frames.empty() || frames[0].size() < sizeof event.kind + sizeof event.value) {
    return std::nullopt;
  }
  const auto* bytes = static_cast<const uint8_t*>(frames[0].data());
  std::memcpy(&event.kind, bytes, sizeof event.kind);
  std::memcpy(&event.value, bytes + sizeof event.kind, sizeof event.value);
  return event;
}

Gatekeeper::Gatekeeper(zmq::context_t& context, const Keyring& keyring) : keyring_(&keyring) {
  socket_ = zmq::socket_t(context, zmq::socket_type::router);
  set_option(socket_, ZMQ_LINGER, 0);
  socket_.bind(std::string(kZapEndpoint));
}

bool Gatekeeper::admits(const std::vector<zmq::message_t>& request) const {
  const auto& admitted = keyring_->curve_client().public_key;
  return request.size() == kZapFrames && equals(request[kZapDomainName], kZapDomain) &&
         equals(request[kZapMechanism], "CURVE") && request[kZapKey].size() == admitted.size() &&
         sodium_memcmp(request[kZapKey].data(), admitted.data(), admitted.size()) == 0;
}

void Gatekeeper::serve() {
  while (true) {
    const std::vector<zmq::message_t> request = receive(socket_, kZapFrames + 1);
    if (request.empty()) return;
    if (request.size() <= kZapRequest) continue;
    const bool admitted = admits(request);
    const auto view = [&request](ZapFrame frame) {
      return std::string_view(static_cast<const char*>(request[frame].data()),
                              request[frame].size());
    };
    const std::array<std::string_view, 8> answer{view(kZapPipe),
                                                 "",
                                                 "1.0",
                                                 view(kZapRequest),
                                                 admitted ? "200" : "400",
                                                 admitted ? "OK" : "not admitted",
                                                 "",
                                                 ""};
    for (std::size_t i = 0; i < answer.size(); ++i) {
      const int more = i + 1 < answer.size() ? ZMQ_SNDMORE : 0;
      zmq_send(socket_.handle(), answer[i].data(), answer[i].size(), ZMQ_DONTWAIT | more);
    }
  }
}

}  // namespace dagz::mesh
