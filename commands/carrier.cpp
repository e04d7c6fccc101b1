#include "commands/carrier.hpp"

#include <variant>

#include "commands/mesh_access.hpp"
#include "mesh/io/system_clock.hpp"

namespace dagz {
namespace {

// So many messages at a time, then the clock and the children get their turn.
constexpr std::size_t kMessagesPerTurn = 256;

}  // namespace

Moment moment_now() { return {mesh::monotonic_now(), mesh::wall_now().ms}; }

std::vector<std::string> Carrier::receive(Node& node, Moment at) {
  std::vector<std::string> refused;
  std::vector<mesh::TransportEvent> events;
  transport_.drain(events, kMessagesPerTurn);
  for (mesh::TransportEvent& event : events) {
    if (auto* received = std::get_if<mesh::Received>(&event)) {
      node.receive(at, received->link, received->lane, received->bytes);
    } else if (const auto* up = std::get_if<mesh::LinkUp>(&event)) {
      node.link_up(at, up->link);
    } else if (const auto* down = std::get_if<mesh::LinkDown>(&event)) {
      node.link_down(at, down->link, link_loss(down->reason));
      auto dialled = dialled_.extract(down->link);
      if (dialled.empty() || down->reason != mesh::DownReason::kRejected) continue;
      refused.push_back(std::move(dialled.mapped()));
    }
  }
  return refused;
}

void Carrier::perform(Node& node, Moment at, const mesh::LinkActions& actions) {
  for (const auto& dial : actions.dials) {
    const mesh::LinkId link = transport_.dial(dial.address, dial.lane);
    if (link == 0) continue;
    dialled_[link] = dial.address;
    node.dialled(at, dial.address, dial.lane, link);
  }
  for (const auto& send : actions.sends) transport_.send(send.link, send.bytes);
  for (const mesh::LinkId link : actions.closes) {
    transport_.close(link);
    dialled_.erase(link);
    node.link_down(at, link, mesh::LinkLoss::kClosed);
  }
}

}  // namespace dagz
