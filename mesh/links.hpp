#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "mesh/config.hpp"
#include "mesh/envelope.hpp"
#include "mesh/link.hpp"
#include "mesh/message.hpp"
#include "mesh/rng.hpp"

// Which connection leads to whom: dials candidates with a growing pause, exchanges hellos, seals
// and opens envelopes, and keeps one control link per pair (the one dialled by the lower id)
// whoever dialled first. Bulk links are one-way; each node dials its own once it has much to send.

namespace dagz::mesh {

inline constexpr std::size_t kLinksMax = 4096;
inline constexpr std::size_t kDialAddressesMax = 16'384;

struct LinkActions {
  struct Dial {
    std::string address;
    Lane lane;
  };
  struct Send {
    LinkId link;
    Buffer bytes;
  };
  std::vector<Dial> dials;
  std::vector<Send> sends;
  std::vector<LinkId> closes;
};

enum class LinkLoss : uint8_t { kClosed, kRefused, kRejected, kTimedOut };

class Links {
 public:
  // A message that its sender really sent.
  struct Received {
    NodeId from;
    Buffer content;
    bool from_observer = false;
    bool is_signed = false;  // else it may only be upkeep
  };
  struct Stats {
    uint64_t rejected = 0;
  };

  Links(const Config& config, const Crypto& crypto, Rng& rng, Profile self);

  // ---- the shell tells
  void candidate(Instant now, const std::string& address);
  void dialled(Instant now, const std::string& address, Lane lane, LinkId link);
  void link_up(Instant now, LinkId link);
  // The last word on a link: no message of it comes later.
  void link_down(Instant now, LinkId link, LinkLoss loss);
  // `new_peer` is set when this message completed a handshake with somebody verified.
  std::optional<Received> receive(Instant now, LinkId link, Lane lane, Bytes bytes,
                                  std::optional<Profile>& new_peer);

  // ---- the node uses
  bool send(Instant now, const NodeId& to, Lane lane, EnvelopeKind kind, Buffer content);
  bool is_connected(const NodeId& peer) const;
  // Somebody may be about to answer.
  bool is_dialling() const;
  // Everybody that has a control link, in no order.
  const std::vector<NodeId>& connected() const { return connected_; }
  // Peers whose link broke and whose address refused the redial since the last call, or any dial
  // while there is no link to anybody: their process is gone, as far as can be seen from here.
  std::vector<NodeId> take_refusals() { return std::exchange(refusals_, {}); }
  // Peers that never had a link, whose addresses refused a dial since the last call: gone, or
  // behind a wall that others may see past.
  std::vector<NodeId> take_unreached() { return std::exchange(unreached_, {}); }
  // Who lives at this address: it need not be dialled to find out.
  void know(const Profile& profile);
  // Dials a member that has no link. If that one wants a link as well, the lower id dials at once,
  // the other after a while.
  void want(Instant now, const Profile& profile, bool mutual);
  // A link is kept while it lasts, but not sought any more.
  void unwant(const NodeId& peer);
  void forget(const NodeId& peer);
  // Its links lead nowhere, as it seems: begins anew with fresh ones, now and then.
  void hang_up(Instant now, const NodeId& peer);
  void advance(Instant now);
  Instant next_deadline() const;
  LinkActions take_actions() { return std::exchange(actions_, {}); }
  const Stats& stats() const { return stats_; }

 private:
  struct Link {
    Lane lane = Lane::kControl;
    bool dialled = false;
    bool observer = false;
    std::string address;
    NodeId peer;  // zero until it said hello
    PublicKey key;
    ReplayWindow seen;
    uint64_t sent = 0;
    bool up = false;
    Instant give_up_at;  // unless somebody has said hello by then
    Duration hello_pause;
  };
  struct Candidate {
    Instant next_dial_at = Instant::never();
    Duration pause;
    LinkId link = 0;  // under way or up
    Lane lane = Lane::kControl;
    NodeId peer;  // known once it said hello
    bool wanted = true;
    bool lost = false;  // its peer's last control link broke, and no other came up yet
  };
  struct Peer {
    SharedKey shared;
    LinkId control = 0;
    std::vector<LinkId> shadows;  // other control links to the same peer
    std::vector<std::string> addresses;
    LinkId bulk = 0;  // own, dialled
    bool bulk_ready = false;
    std::string bulk_address;
  };

  void say_hello(Link& link, LinkId id, bool answer);
  std::optional<Profile> hear_hello(LinkId id, Link& link, const Envelope& envelope);
  void bind(LinkId id, Link& link, const Profile& profile);
  bool is_proven(const Link& link, const Envelope& envelope) const;
  void schedule(const std::string& address, Candidate& candidate, Instant at);
  void name(const std::string& address, Candidate& candidate, const NodeId& peer);
  void set_control(const NodeId& id, Peer& peer, LinkId link);
  void lose_control(Instant now, const NodeId& id, Peer& peer, LinkId link);
  void refused(const Candidate& candidate);
  void await_hello(Instant now, LinkId id, Link& link);
  void review_handshakes(Instant now);
  void close(LinkId link);
  void forget_dial(LinkId link);
  void add_candidate(Instant at, const std::string& address, Lane lane);
  Instant next_stranger_at() const;
  void dial_strangers(Instant now);
  void dial(Instant now, const std::string& address, Candidate& candidate);
  void want_bulk(Instant now, const NodeId& id, const Peer& peer);

  const Config& config_;
  const Crypto& crypto_;
  Rng& rng_;
  Profile self_;
  std::map<LinkId, Link> links_;
  std::map<NodeId, Peer> peers_;
  std::map<std::string, Candidate> candidates_;
  std::set<std::string> homes_;  // control addresses of live members
  Instant last_candidate_at_{-1};
  std::deque<std::string> strangers_;  // those due, in the order in which they became so
  Instant next_stranger_at_{};         // were they dialled one by one
  std::set<std::pair<Instant, std::string>> dials_due_;
  std::set<std::pair<Instant, LinkId>> handshakes_;  // when to look again
  std::vector<NodeId> connected_;
  std::vector<NodeId> refusals_;
  std::vector<NodeId> unreached_;
  LinkActions actions_;
  Stats stats_;
};

}  // namespace dagz::mesh
