#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "mesh/check.hpp"
#include "mesh/io/system_clock.hpp"
#include "mesh/io/transport_impl.hpp"

namespace dagz::mesh {
namespace {

// A link takes three sockets: its own, and both ends of its monitor.
constexpr int kSocketsMax = 8192;
constexpr uint64_t kDescriptorsMax = 65536;
constexpr Token kPastAll = UINT64_MAX;

}  // namespace

// ---- the loop's side ---------------------------------------------------------------------------

bool Transport::Impl::watch(int fd, uint32_t events, Token token) const {
  epoll_event event{};
  event.events = events;
  event.data.u64 = token;
  return epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

std::string Transport::Impl::open() {
  epoll = Descriptor(epoll_create1(EPOLL_CLOEXEC));
  wake = Descriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  timer = Descriptor(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  const auto failed = [](int error) {
    return std::string("cannot set up the network: ") + std::strerror(error);
  };
  if (!epoll.valid() || !wake.valid() || !timer.valid()) return failed(errno);
  try {
    context.emplace();
    zmq_ctx_set(context->handle(), ZMQ_MAX_SOCKETS, kSocketsMax);
    gatekeeper = Gatekeeper(*context, keyring);
  } catch (const zmq::error_t& error) {
    return failed(error.num());
  }
  const bool watched = watch(wake.get(), EPOLLIN, token_of(Source::kWake)) &&
                       watch(timer.get(), EPOLLIN, token_of(Source::kTimer)) &&
                       watch(gatekeeper.descriptor(), EPOLLIN, token_of(Source::kGatekeeper));
  return watched ? "" : failed(errno);
}

void Transport::Impl::collect_ready() {
  std::array<epoll_event, 256> events;
  const int count = epoll_wait(epoll.get(), events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) {
    // By value: the struct is packed.
    const uint64_t token = events[static_cast<std::size_t>(i)].data.u64;
    ready.insert(token);
  }
}

void Transport::Impl::arm_wake(bool on) {
  if (on == wake_armed) return;
  uint64_t value = 1;
  const ssize_t size =
      on ? write(wake.get(), &value, sizeof value) : read(wake.get(), &value, sizeof value);
  CHECK(size == sizeof value);
  wake_armed = on;
}

void Transport::Impl::arm_timer() const {
  itimerspec spec{};
  spec.it_value.tv_nsec = kDialTick.ns;
  timerfd_settime(timer.get(), 0, &spec, nullptr);
}

// Serves what is ready within [begin, end), in order.
void Transport::Impl::pass(Token begin, Token end, std::vector<TransportEvent>& out,
                           std::size_t& budget) {
  auto at = ready.lower_bound(begin);
  while (at != ready.end() && *at < end) {
    const Token token = *at;
    if (token >= kFirstData) cursor = token + 1;
    if (service(token, out, budget)) ready.erase(token);
    at = ready.upper_bound(token);
  }
}

void Transport::Impl::drain(std::vector<TransportEvent>& out, std::size_t budget) {
  collect_ready();
  while (!ready.empty()) {
    pass(0, kFirstData, out, budget);
    if (budget == 0) break;
    const Token turn = cursor;
    pass(turn, kPastAll, out, budget);
    pass(kFirstData, turn, out, budget);
  }
  expire_dials();
  arm_wake(!ready.empty());
}

// True when nothing is left there for now.
bool Transport::Impl::service(Token token, std::vector<TransportEvent>& out, std::size_t& budget) {
  const uint64_t id = id_of(token);
  switch (source_of(token)) {
    case Source::kWake:
      return true;  // arm_wake() reads it
    case Source::kTimer: {
      uint64_t ticks = 0;
      if (read(timer.get(), &ticks, sizeof ticks) < 0) return true;
      return true;
    }
    case Source::kGatekeeper:
      gatekeeper.serve();
      return true;
    case Source::kListenerMonitor:
      read_listener_monitor(static_cast<Lane>(id));
      return true;
    case Source::kLinkMonitor:
      read_link_monitor(id, out);
      return true;
    case Source::kConfirm: {
      const auto found = dialled.find(id);
      if (found == dialled.end() || !found->second.confirm.valid()) return true;
      int error = 0;
      socklen_t size = sizeof error;
      if (getsockopt(found->second.confirm.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        error = errno;
      }
      finish_confirm(id, found->second, error);
      return true;
    }
    case Source::kListener:
      return serve_listener(static_cast<Lane>(id), out, budget);
    case Source::kLink:
      return serve_link(id, out, budget);
  }
  return true;
}

// ---- both --------------------------------------------------------------------------------------

bool Transport::Impl::send(LinkId link, std::span<const uint8_t> bytes) {
  bool sent = false;
  zmq::socket_t* used = nullptr;
  Token token = 0;
  if (const auto found = dialled.find(link); found != dialled.end()) {
    Dialled& dial = found->second;
    used = &dial.socket;
    token = token_of(Source::kLink, link);
    sent = dial.state == DialState::kUp && bytes.size() <= message_max(dial.lane) &&
           zmq_send(dial.socket.handle(), bytes.data(), bytes.size(), ZMQ_DONTWAIT) >= 0;
  } else if (const auto entry = accepted.find(link); entry != accepted.end()) {
    const Lane lane = entry->second.lane;
    used = &listeners[index_of(lane)]->socket;
    token = token_of(Source::kListener, index_of(lane));
    sent = !entry->second.closed_here && bytes.size() <= message_max(lane) &&
           send_accepted(entry->second, bytes);
  }
  if (sent) {
    ++stats.messages_out;
    stats.bytes_out += bytes.size();
  } else {
    ++stats.sends_refused;
  }
  // Sending makes libzmq swallow the signal that something has come in.
  if (used != nullptr && is_readable(*used)) {
    ready.insert(token);
    arm_wake(true);
  }
  return sent;
}

void Transport::Impl::close(LinkId link) {
  if (dialled.count(link) != 0) {
    forget_dialled(link);
  } else if (const auto found = accepted.find(link); found != accepted.end()) {
    found->second.closed_here = true;
    cut(found->second.fd, found->second.peer);
  }
}

void Transport::Impl::flush_and_close(Duration linger) {
  for (auto& [link, dial] : dialled) {
    if (dial.state == DialState::kUp) set_linger(dial.socket, linger);
  }
  for (auto& listener : listeners) {
    if (listener) set_linger(listener->socket, linger);
  }
  dialled.clear();
  accepted.clear();
  ready.clear();
  for (auto& listener : listeners) listener.reset();
  gatekeeper = Gatekeeper();
  context.reset();  // waits for what lingers
}

// ---- the public face ---------------------------------------------------------------------------

Transport::Transport(const Keyring& keyring) : impl_(std::make_unique<Impl>(keyring)) {}

Transport::~Transport() {
  if (impl_->context) impl_->flush_and_close(Duration{});
}

std::string Transport::open() { return impl_->open(); }

Listen Transport::listen(const std::string& host, uint16_t port) {
  CHECK(impl_->context && !impl_->listeners[0]);
  Listen result;
  const auto control = make_address(host, port);
  const auto bulk = make_address(host, static_cast<uint16_t>(port == 0 ? 0 : port + 1));
  if (!control || port == UINT16_MAX) {
    result.error = "cannot listen on '" + host + "', port " + std::to_string(port) +
                   ": give a numeric address of this host, and a port that has a next one";
    return result;
  }
  result.error = impl_->bind(Lane::kControl, *control, result.control_address);
  if (!result.error.empty()) return result;
  result.error = impl_->bind(Lane::kBulk, *bulk, result.bulk_address);
  if (!result.error.empty()) {
    Listener& bound = *impl_->listeners[0];
    impl_->unwatch(descriptor_of(bound.socket));
    impl_->unwatch(bound.monitor.descriptor());
    impl_->listeners[0].reset();
  }
  return result;
}

LinkId Transport::dial(const std::string& address, Lane lane) {
  CHECK(impl_->context);
  const auto parsed = parse_address(address);
  return parsed ? impl_->dial(*parsed, lane) : 0;
}

bool Transport::send(LinkId link, std::span<const uint8_t> bytes) {
  return impl_->send(link, bytes);
}

void Transport::close(LinkId link) { impl_->close(link); }

void Transport::flush_and_close(Duration linger) { impl_->flush_and_close(linger); }

int Transport::poll_fd() const { return impl_->epoll.get(); }

void Transport::drain(std::vector<TransportEvent>& out, std::size_t messages_max) {
  impl_->drain(out, messages_max);
}

const TransportStats& Transport::stats() const { return impl_->stats; }

uint64_t raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = std::max(before, std::min<rlim_t>(limit.rlim_max, kDescriptorsMax));
  setrlimit(RLIMIT_NOFILE, &limit);
  return before;
}

}  // namespace dagz::mesh
