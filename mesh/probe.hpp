#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "mesh/awareness.hpp"
#include "mesh/config.hpp"
#include "mesh/membership.hpp"
#include "mesh/rng.hpp"

// SWIM's failure detector: each period one of the members that this node watches, in a shuffled
// round robin (so that each is probed within 2N - 1 periods), is pinged; when it does not answer in
// time, others are asked to ping it; when nobody reached it by the end of the period, it is
// accused.

namespace dagz::mesh {

class Prober {
 public:
  struct Requests {
    struct Probe {
      NodeId to;
      uint64_t number = 0;
    };
    struct IndirectProbe {
      NodeId via;
      NodeId target;
      uint64_t number = 0;
    };
    struct Answer {
      NodeId to;
      uint64_t number = 0;
    };
    std::vector<Probe> pings;
    std::vector<IndirectProbe> ping_requests;
    std::vector<Answer> acks;
    std::vector<NodeId> accused;
  };

  // Whom to probe, asked once a round: members; those that take no part are passed over.
  using Watched = std::function<std::vector<NodeId>()>;

  Prober(const Config& config, Rng& rng, Awareness& awareness, Watched watched, Instant started_at);

  void advance(Instant now, const Membership& membership, Requests& out);
  // This node stood still: whatever it waits for may lie unread, so the probe begins anew.
  void excuse(Instant now);
  // An answer, to an own probe or to one made for somebody else.
  void acked(uint64_t number, Requests& out);
  // Somebody wants `target` pinged.
  void asked(Instant now, const NodeId& by, uint64_t number, const NodeId& target, Requests& out);
  Instant next_deadline() const;

 private:
  static constexpr std::size_t kRelaysMax = 1024;

  struct Relay {
    NodeId asker;
    uint64_t number = 0;
    Instant expires_at;
  };

  const NodeId* next_target(const Membership& membership);

  const Config& config_;
  Rng& rng_;
  Awareness& awareness_;
  Watched watched_;
  std::vector<NodeId> order_;
  std::size_t at_ = 0;
  uint64_t last_number_ = 0;
  // The probe under way, if any.
  NodeId target_;
  uint64_t number_ = 0;
  bool answered_ = true;
  bool asked_others_ = false;
  Instant period_ends_at_;
  Instant timeout_at_ = Instant::never();
  std::map<uint64_t, Relay> relays_;
};

}  // namespace dagz::mesh
