#include <cerrno>
#include <utility>

#include "mesh/io/system_clock.hpp"
#include "mesh/io/transport_impl.hpp"

namespace dagz::mesh {
namespace {

constexpr Duration kConfirmWithin = Duration::seconds(1);

}  // namespace

LinkId Transport::Impl::dial(const Address& address, Lane lane) {
  if (dialled.size() >= kDialledLinksMax) return 0;
  Dialled dial;
  dial.lane = lane;
  dial.address = address;
  dial.since = monotonic_now();
  try {
    dial.socket = make_dealer(*context, keyring, lane, address.is_ipv6());
    dial.monitor = Monitor(*context, dial.socket, ++monitor_count);
    dial.socket.connect("tcp://" + address.text());
  } catch (const zmq::error_t&) {
    return 0;  // out of sockets or descriptors
  }
  const LinkId link = ++last_link;
  const bool watched =
      watch(descriptor_of(dial.socket), EPOLLIN, token_of(Source::kLink, link)) &&
      watch(dial.monitor.descriptor(), EPOLLIN, token_of(Source::kLinkMonitor, link));
  dialled.emplace(link, std::move(dial));
  if (!watched) {
    forget_dialled(link);
    return 0;
  }
  ready.insert(token_of(Source::kLinkMonitor, link));
  arm_wake(true);
  arm_timer();
  return link;
}

bool Transport::Impl::serve_link(LinkId link, std::vector<TransportEvent>& out,
                                 std::size_t& budget) {
  const auto found = dialled.find(link);
  if (found == dialled.end()) return true;
  Dialled& dial = found->second;
  for (std::size_t turn = 0; turn < kTurnMax; ++turn) {
    if (budget == 0) return false;
    const std::vector<zmq::message_t> frames = receive(dial.socket, 2);
    if (frames.empty()) {
      if (dial.state != DialState::kEnding) return true;
      out.push_back(LinkDown{link, dial.lane, dial.reason});
      forget_dialled(link);
      return true;
    }
    --budget;
    if (frames.size() != 1) {
      ++stats.messages_rejected;
      continue;
    }
    ++stats.messages_in;
    stats.bytes_in += frames[0].size();
    const auto* data = static_cast<const uint8_t*>(frames[0].data());
    out.push_back(Received{link, dial.lane, Buffer(data, data + frames[0].size())});
  }
  return false;
}

void Transport::Impl::read_link_monitor(LinkId link, std::vector<TransportEvent>& out) {
  const auto found = dialled.find(link);
  if (found == dialled.end()) return;
  while (const auto event = found->second.monitor.next()) {
    handle_dial_event(link, found->second, *event, out);
  }
}

void Transport::Impl::handle_dial_event(LinkId link, Dialled& dial, const MonitorEvent& event,
                                        std::vector<TransportEvent>& out) {
  const Duration in_state = monotonic_now() - dial.since;
  const auto enter = [&dial](DialState state) {
    dial.state = state;
    dial.since = monotonic_now();
  };
  switch (event.kind) {
    case ZMQ_EVENT_CONNECTED:
      if (dial.state == DialState::kConnecting) enter(DialState::kHandshaking);
      break;
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
      if (dial.state == DialState::kEnding) break;
      enter(DialState::kUp);
      out.push_back(LinkUp{link, dial.lane});
      break;
    case ZMQ_EVENT_CLOSED:  // never connected; libzmq does not say why
      if (dial.state != DialState::kConnecting) break;
      if (in_state >= kConnectWithin) {
        end_dialled(link, dial, DownReason::kTimedOut);
      } else {
        confirm(link, dial, DownReason::kTimedOut);
      }
      break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
      end_dialled(link, dial, DownReason::kRejected);
      break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
      // Either our time is up, or the other side hung up: it could not read our greeting, or died.
      // Who hangs up does so at once; libzmq's clock started before ours.
      if (in_state >= kHandshakeWithin / 2) {
        end_dialled(link, dial, DownReason::kTimedOut);
      } else {
        confirm(link, dial, DownReason::kRejected);
      }
      break;
    case ZMQ_EVENT_DISCONNECTED:
      if (dial.state == DialState::kUp) end_dialled(link, dial, DownReason::kClosed);
      if (dial.state == DialState::kHandshaking) confirm(link, dial, DownReason::kRejected);
      break;
    default:
      break;
  }
}

// Asks the kernel itself whether anybody listens there, with a connection of our own.
void Transport::Impl::confirm(LinkId link, Dialled& dial, DownReason otherwise) {
  if (dial.state == DialState::kConfirming || dial.state == DialState::kEnding) return;
  dial.state = DialState::kConfirming;
  dial.since = monotonic_now();
  dial.reason = otherwise;
  dial.confirm = Descriptor(
      socket(dial.address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!dial.confirm.valid()) {
    end_dialled(link, dial, otherwise);
  } else if (connect(dial.confirm.get(), dial.address.get(), dial.address.size) == 0) {
    finish_confirm(link, dial, 0);
  } else if (errno != EINPROGRESS) {
    finish_confirm(link, dial, errno);
  } else if (!watch(dial.confirm.get(), EPOLLOUT, token_of(Source::kConfirm, link))) {
    end_dialled(link, dial, otherwise);
  }
}

void Transport::Impl::finish_confirm(LinkId link, Dialled& dial, int error) {
  DownReason reason = dial.reason;
  if (error == ECONNREFUSED) reason = DownReason::kRefused;
  if (error != ECONNREFUSED && error != 0) reason = DownReason::kTimedOut;
  end_dialled(link, dial, reason);
}

// LinkDown follows once the socket is empty.
void Transport::Impl::end_dialled(LinkId link, Dialled& dial, DownReason reason) {
  if (dial.state == DialState::kEnding) return;
  if (dial.confirm.valid()) unwatch(dial.confirm.get());
  dial.confirm.reset();
  dial.state = DialState::kEnding;
  dial.reason = reason;
  ready.insert(token_of(Source::kLink, link));
}

// Should libzmq ever fail to report how a dial ended, it ends here.
void Transport::Impl::expire_dials() {
  const Instant now = monotonic_now();
  bool pending = false;
  for (auto& [link, dial] : dialled) {
    Duration patience;
    switch (dial.state) {
      case DialState::kConnecting:
        patience = kConnectWithin + kDialTick * 2;
        break;
      case DialState::kHandshaking:
        patience = kHandshakeWithin + kDialTick * 2;
        break;
      case DialState::kConfirming:
        patience = kConfirmWithin;
        break;
      case DialState::kUp:
      case DialState::kEnding:
        continue;
    }
    if (now - dial.since > patience) {
      end_dialled(link, dial, DownReason::kTimedOut);
    } else {
      pending = true;
    }
  }
  if (pending) arm_timer();
}

void Transport::Impl::forget_dialled(LinkId link) {
  const auto found = dialled.find(link);
  unwatch(descriptor_of(found->second.socket));
  unwatch(found->second.monitor.descriptor());
  if (found->second.confirm.valid()) unwatch(found->second.confirm.get());
  ready.erase(token_of(Source::kLinkMonitor, link));
  ready.erase(token_of(Source::kConfirm, link));
  ready.erase(token_of(Source::kLink, link));
  dialled.erase(found);
}

}  // namespace dagz::mesh
