#include "node.hpp"

#include <algorithm>

#include "mesh/check.hpp"
#include "mesh/mark.hpp"

namespace dagz {

using mesh::Lane;
using mesh::Member;
using mesh::MemberChange;
using mesh::Role;

namespace {

struct {
  Mark relayed{"node: passes on words between two others"};
  Mark through_another{"node: speaks through somebody else"};
  Mark stalled{"node: accuses nobody after a stall"};
  Mark held{"node: a scheduler holds its decisions after a long stall"};
  Mark views_differ{"node: a digest shows another view"};
  Mark logs_differ{"node: a digest shows other logs"};
} marks;

constexpr uint32_t kViewsAskedMax = 3;
constexpr std::size_t kViewUnit = 32;

// Names that the world gives may be longer than what others read of them. A part of an address
// leads nowhere.
NodeConfig within_limits(NodeConfig config) {
  std::string& host = config.profile.host;
  host.resize(std::min(host.size(), mesh::kNameMax));
  if (config.ci_url.size() > report::kPathMax) config.ci_url.clear();
  if (config.dashboard_url.size() > report::kPathMax) config.dashboard_url.clear();
  return config;
}

mesh::Profile signed_profile(const Crypto& crypto, mesh::Profile profile, int64_t wall_ms,
                             mesh::Role role) {
  profile.birth_wall_ms = wall_ms;
  profile.role = role;
  mesh::sign_profile(crypto, profile);
  return profile;
}

}  // namespace

Node::Node(NodeConfig config, const Crypto& crypto,
           const std::vector<sched::KnownDuration>& history, Moment at)
    : config_(within_limits(std::move(config))),
      crypto_(crypto),
      rng_(config_.seed),
      self_(signed_profile(crypto, config_.profile, at.wall_ms, config_.role)),
      started_at_(at.now),
      started_wall_ms_(at.wall_ms),
      links_(config_.mesh, crypto_, rng_, self_),
      relay_(crypto_),
      membership_(config_.mesh, crypto_, self_,
                  [this](Instant now, const Member& member, MemberChange change) {
                    on_member_change(now, member, change);
                  }),
      prober_(
          config_.mesh, rng_, awareness_, [this] { return watched(); }, at.now),
      election_(config_.mesh, at.now),
      ledger_(crypto_),
      estimates_(history),
      rerun_(config_.earlier),
      scheduler_(config_.scheduler, job_, estimates_, rerun_),
      vassal_(config_.vassal, job_, estimates_),
      next_gossip_at_(at.now),
      view_changed_at_(at.now),
      next_digest_at_(at.now + Duration{rng_.between(0, config_.mesh.digest_every.ns)}),
      next_view_at_(at.now),
      next_announce_at_(at.now),
      next_worker_report_at_(at.now + Duration::seconds(1)),
      next_status_at_(at.now + config_.status_every) {
  if (config_.role == Role::kVassal) {
    write(report::Opened{self_.host, config_.ci_url, config_.place, config_.dashboard_url});
    if (const auto remembered = rerun_.opening()) write(*remembered);
  } else {
    next_worker_report_at_ = Instant::never();
  }
}

// ---- events from the shell --------------------------------------------------------------------

void Node::candidate(Moment at, const std::string& address) { links_.candidate(at.now, address); }

void Node::dialled(Moment at, const std::string& address, Lane lane, mesh::LinkId link) {
  links_.dialled(at.now, address, lane, link);
}

void Node::link_up(Moment at, mesh::LinkId link) { links_.link_up(at.now, link); }

void Node::link_down(Moment at, mesh::LinkId link, mesh::LinkLoss loss) {
  links_.link_down(at.now, link, loss);
}

void Node::receive(Moment at, mesh::LinkId link, Lane lane, Bytes bytes) {
  if (deaf_) return;
  std::optional<mesh::Profile> new_peer;
  const auto received = links_.receive(at.now, link, lane, bytes, new_peer);
  if (new_peer && lane == Lane::kControl) on_new_peer(at, *new_peer);
  if (!received) return;
  Message message;
  if (!decode(received->content, message)) return;
  if (!received->is_signed && envelope_of(message) != mesh::EnvelopeKind::kUpkeep) return;
  handle(at, received->from, message, received->from_observer);
}

void Node::on_new_peer(Moment at, const mesh::Profile& profile) {
  if (config_.role == Role::kObserver) {
    if (query_ && asked_at_.emplace(profile.id, at.now).second) send(at.now, profile.id, *query_);
    return;
  }
  if (profile.role == Role::kObserver) return;
  const bool unheard_of = membership_.introduce(at.now, profile);
  // A newcomer asks its first few peers for their view; everybody else then hears of it by rumour.
  // Views on every link would cost the cube of the members. Who was given up for dead and comes
  // back is told so, or it could never object. Somebody new may bring a whole mesh along.
  const Member* member = membership_.find(profile.id);
  if (member == nullptr) return;
  const bool back = member->state == mesh::MemberState::kDead;
  const bool ask = ++links_made_ <= kViewsAskedMax || back;
  if (ask) {
    send_view(at.now, profile.id, false);
  } else if (unheard_of) {
    send(at.now, profile.id, mesh::StateDigest{membership_.digest(), ledger_.digest()});
  }
  if (is_scheduler()) send(at.now, profile.id, mesh::Announce{election_.claim()});
  if (links_made_ == 1 || back) {
    send(at.now, profile.id, mesh::LogDigest{false, ledger_.positions()});
  }
  // Who is suspected objects as soon as it hears of that.
  if (member->state == mesh::MemberState::kSuspect) {
    send(at.now, profile.id, mesh::Rumours{{member->statement}, {}});
  }
}

void Node::ask(Moment, Query query) { query_ = query; }

// ---- membership -------------------------------------------------------------------------------

void Node::on_member_change(Instant now, const Member& member, MemberChange change) {
  view_changed_at_ = now;
  next_gossip_at_ = std::min(next_gossip_at_, now + config_.mesh.gossip_fast_every);
  live_nodes_dirty_ = true;
  weave_by_ = std::min(weave_by_, now + config_.mesh.weave_within);
  tell_member(now, member, change);
  const std::string name = member.profile.control_address;
  switch (change) {
    case MemberChange::kJoined:
      links_.know(member.profile);
      break;
    case MemberChange::kDied:
      tell("lost node " + name);
      links_.hang_up(now, member.profile.id);
      relay_.forget(member.profile.id);
      break;
    case MemberChange::kReturned:
      tell("node " + name + " is back");
      links_.know(member.profile);
      break;
    case MemberChange::kLeft:
      links_.forget(member.profile.id);
      relay_.forget(member.profile.id);
      break;
    case MemberChange::kSuspected:
    case MemberChange::kCleared:
      break;
  }
}

// Second-hand: the profile proves itself.
void Node::meet(Moment at, mesh::Profile profile) {
  if (profile.role == Role::kObserver ||
      membership_.find(crypto_.node_id_of(profile.key)) != nullptr)
    return;
  if (mesh::verify_profile(crypto_, profile)) membership_.introduce(at.now, profile);
}

void Node::take_rumours(Moment at, const std::vector<mesh::Statement>& rumours) {
  const mesh::Incarnation before = membership_.self().incarnation;
  for (const mesh::Statement& rumour : rumours) membership_.receive(at.now, rumour);
  // Somebody did not hear this node in time: maybe it is the slow one.
  if (membership_.self().incarnation != before) awareness_.poorly();
}

std::vector<mesh::Statement> Node::some_rumours() {
  return membership_.gossip().take(
      config_.mesh.gossip_batch_max,
      mesh::transmit_limit(config_.mesh.gossip_multiplier, membership_.live_count()));
}

std::vector<mesh::Profile> Node::some_newcomers() {
  return membership_.newcomers().take(
      config_.mesh.newcomer_batch_max,
      mesh::transmit_limit(config_.mesh.newcomer_multiplier, membership_.live_count()));
}

// In parts; the first one may want an answer.
void Node::send_view(Instant now, const NodeId& to, bool answer) {
  mesh::PushPull part{answer, {}};
  for (const auto& [id, member] : membership_.members()) {
    for (const mesh::Statement& statement : mesh::statements_of(member)) {
      if (part.records.size() == mesh::kRecordsWrittenMax) {
        send(now, to, std::exchange(part, {true, {}}));
      }
      part.records.push_back({member.profile, statement});
    }
  }
  send(now, to, std::move(part));
}

// One that is believed dead and yet has a link has come back, and may not know what it missed.
const NodeId* Node::random_peer(bool also_dead) {
  const std::vector<NodeId>& connected = links_.connected();
  // Nearly all that have a link take part: a few throws find one.
  for (int i = 0; i < 8 && !connected.empty(); ++i) {
    const NodeId& id = connected[rng_.below(connected.size())];
    const Member* member = membership_.find(id);
    if (member == nullptr) continue;
    if (mesh::takes_part(member->state)) return &id;
    if (also_dead && member->state == mesh::MemberState::kDead) return &id;
  }
  return nullptr;
}

// ---- messages ---------------------------------------------------------------------------------

bool Node::send(Instant now, const NodeId& to, const Message& message, Lane lane) {
  Buffer content = encode(message);
  if (links_.is_connected(to)) {
    return links_.send(now, to, lane, envelope_of(message), std::move(content));
  }
  return send_through_another(now, to, std::move(content));
}

bool Node::send_through_another(Instant now, const NodeId& to, Buffer content) {
  const Member* member = membership_.find(to);
  if (member == nullptr || !mesh::takes_part(member->state)) return false;
  const auto hubs = mesh::hubs(membership_, election_.claim().scheduler.node);
  const bool link_expected = neighbours_.contains(to) || hubs.contains(self_.id);
  if (link_expected && now < member->since + config_.mesh.relay_after) return false;
  if (content.size() > mesh::kControlMessageMax / 2) return false;
  const std::optional<NodeId> via = go_between(to);
  if (!via) return false;
  marks.through_another.reach();
  return send(now, *via, relay_.wrap(member->profile, std::move(content)));
}

// Somebody through whom it was heard; else a hub, which should have a link to everybody; else
// whoever is there, and another one the next time.
std::optional<NodeId> Node::go_between(const NodeId& to) {
  const std::optional<NodeId> known = relay_.route(to);
  if (known && links_.is_connected(*known)) return known;
  std::vector<NodeId> reached;
  for (const NodeId& hub : mesh::hubs(membership_, election_.claim().scheduler.node)) {
    if (hub != to && links_.is_connected(hub)) reached.push_back(hub);
  }
  if (!reached.empty() && rng_.chance(3, 4)) return reached[rng_.below(reached.size())];
  const NodeId* peer = random_peer();
  return peer == nullptr ? std::nullopt : std::optional(*peer);
}

void Node::on(Moment at, const NodeId& from, const mesh::Relayed& message) {
  if (message.to != self_.id) {
    if (message.from != from || !links_.is_connected(message.to)) return;
    marks.relayed.reach();
    relays_ = true;
    send(at.now, message.to, message);
    return;
  }
  const Member* author = membership_.find(message.from);
  if (author == nullptr) return;
  const auto content = relay_.unwrap(message, author->profile.key);
  Message inner;
  if (!content || !decode(*content, inner)) return;
  if (std::holds_alternative<mesh::Relayed>(inner)) return;
  relay_.learn(message.from, from);
  handle(at, message.from, inner, false);
}

void Node::handle(Moment at, const NodeId& from, const Message& message, bool from_observer) {
  if (from_observer || config_.role == Role::kObserver) {
    if (const auto* query = std::get_if<Query>(&message)) on(at, from, *query);
    if (const auto* reply = std::get_if<QueryAnswer>(&message)) on(at, from, *reply);
    return;
  }
  std::visit([&](const auto& one) { on(at, from, one); }, message);
}

void Node::on(Moment at, const NodeId& from, const mesh::Ping& message) {
  take_rumours(at, message.rumours);
  // A member that is believed dead must hear of it, or it could never object.
  std::vector<mesh::Statement> rumours = some_rumours();
  const Member* member = membership_.find(from);
  if (member != nullptr && member->state != mesh::MemberState::kAlive) {
    rumours.push_back(member->statement);
  }
  if (rumours.size() > mesh::kStatementsMax) rumours.resize(mesh::kStatementsMax);
  send(at.now, from, mesh::Ack{message.number, std::move(rumours)});
}

void Node::on(Moment at, const NodeId&, const mesh::Ack& message) {
  take_rumours(at, message.rumours);
  mesh::Prober::Requests requests;
  prober_.acked(message.number, requests);
  perform(at.now, requests);
}

void Node::on(Moment at, const NodeId& from, const mesh::PingRequest& message) {
  mesh::Prober::Requests requests;
  prober_.asked(at.now, from, message.number, message.target, requests);
  perform(at.now, requests);
}

void Node::on(Moment at, const NodeId&, const mesh::Rumours& message) {
  for (const mesh::Profile& newcomer : message.newcomers) meet(at, newcomer);
  take_rumours(at, message.rumours);
}

void Node::on(Moment at, const NodeId& from, const mesh::PushPull& message) {
  view_heard_ = true;
  for (const mesh::MemberRecord& record : message.records) meet(at, record.profile);
  for (const mesh::MemberRecord& record : message.records) {
    if (!record.statement.subject.is_zero()) membership_.receive(at.now, record.statement);
  }
  if (!message.answer) send_view(at.now, from, true);
}

void Node::on(Moment at, const NodeId& from, const mesh::StateDigest& message) {
  // A view grows with the mesh, so a large one is sent less often.
  if (message.view != membership_.digest() && at.now >= next_view_at_) {
    marks.views_differ.reach();
    const auto scale = 1 + static_cast<int64_t>(membership_.live_count() / kViewUnit);
    next_view_at_ = at.now + config_.mesh.view_every * scale;
    send_view(at.now, from, false);
  }
  if (membership_.find(from) != nullptr) logs_of_[from] = message.logs;
  if (is_shut_out(from)) return;
  if (message.logs == ledger_.digest()) {
    if (departing_) heard_holdings(from, ledger_.positions());
  } else {
    marks.logs_differ.reach();
    send(at.now, from, mesh::LogDigest{false, ledger_.positions()});
  }
}

void Node::on(Moment at, const NodeId& from, const mesh::Announce& message) {
  // Word of somebody who is gone: whoever claims next must go beyond that.
  if (message.claim.scheduler.node != from) return election_.heard(at.now, message.claim);
  if (election_.receive(at.now, message.claim, membership_)) {
    claim_changed(at);
  } else if (mesh::is_better(election_.claim(), message.claim) &&
             (is_scheduler() || election_.is_vacant(membership_))) {
    send(at.now, from, mesh::Announce{election_.claim()});
  }
}

void Node::on(Moment at, const NodeId& from, const Query& message) {
  if (config_.role == Role::kObserver) return;
  send(at.now, from, QueryAnswer{answer_query(at, message)});
}

void Node::on(Moment at, const NodeId& from, const QueryAnswer& message) {
  const auto asked = asked_at_.find(from);
  if (asked == asked_at_.end()) return;
  round_trips_.emplace(from, at.now - asked->second);
  if (!answer_) answer_ = message.json;
}

// ---- probing, gossip, election ----------------------------------------------------------------

void Node::perform(Instant now, const mesh::Prober::Requests& requests) {
  for (const auto& probe : requests.pings) {
    send(now, probe.to, mesh::Ping{probe.number, some_rumours()});
  }
  for (const auto& probe : requests.ping_requests) {
    send(now, probe.via, mesh::PingRequest{probe.number, probe.target});
  }
  for (const auto& ack : requests.acks) send(now, ack.to, mesh::Ack{ack.number, {}});
  for (const NodeId& accused : requests.accused) {
    membership_.accuse(now, accused);
    // The subject hears it first, so that it can object.
    const Member* member = membership_.find(accused);
    if (member != nullptr && member->state == mesh::MemberState::kSuspect) {
      send(now, accused, mesh::Rumours{{member->statement}, {}});
    }
  }
}

// Those that this node should reach by itself, and those that it does reach.
std::vector<NodeId> Node::watched() const {
  std::set<NodeId> all = neighbours_;
  all.insert(links_.connected().begin(), links_.connected().end());
  return {all.begin(), all.end()};
}

Instant Node::next_weave_at() const {
  return std::min(weave_by_, view_changed_at_ + config_.mesh.weave_after);
}

// Links follow the view: whoever became a neighbour is dialled, whoever is none any more is not
// sought. The dead are: a link to one of them heals a split.
void Node::weave_overlay(Instant now) {
  if (weave_by_ == Instant::never() || now < next_weave_at()) return;
  weave_by_ = Instant::never();
  std::set<NodeId> before = std::exchange(
      neighbours_, mesh::neighbours(config_.mesh, membership_, election_.claim().scheduler.node));
  const bool mutual = membership_.live_count() <= config_.mesh.full_mesh_max;
  for (const NodeId& id : neighbours_) {
    if (before.erase(id) == 0) links_.want(now, membership_.find(id)->profile, mutual);
  }
  for (const NodeId& id : before) {
    const Member* member = membership_.find(id);
    if (member != nullptr && mesh::takes_part(member->state)) links_.unwant(id);
  }
}

void Node::advance_gossip(Moment at) {
  if (at.now >= next_gossip_at_) {
    const bool fast = at.now < view_changed_at_ + config_.mesh.gossip_fast_for;
    next_gossip_at_ =
        at.now + (fast ? config_.mesh.gossip_fast_every : config_.mesh.gossip_slow_every);
    for (uint32_t i = 0; i < config_.mesh.gossip_fanout; ++i) {
      if (membership_.gossip().empty() && membership_.newcomers().empty()) break;
      const NodeId* peer = random_peer();
      if (peer == nullptr) break;
      send(at.now, *peer, mesh::Rumours{some_rumours(), some_newcomers()});
    }
  }
  if (end_ && job_.closed_by() == self_.id) remind_of_end(at);
  if (at.now < next_digest_at_) return;
  const bool young = at.now < started_at_ + config_.mesh.young_for;
  next_digest_at_ = at.now + (young ? config_.mesh.digest_young_every : config_.mesh.digest_every);
  const mesh::StateDigest digest{membership_.digest(), ledger_.digest()};
  if (const NodeId* peer = random_peer(true)) send(at.now, *peer, digest);
  // Nodes that wait for the end ask the one who has it.
  if (job_.closed() && !end_) {
    send(at.now, job_.closed_by(), mesh::LogDigest{false, ledger_.positions()});
  }
}

// When this node has gone, nobody may be left who could tell the others of the end.
void Node::remind_of_end(Moment at) {
  if (at.now < next_reminder_at_) return;
  next_reminder_at_ = at.now + config_.mesh.remind_of_end_every;
  for (const auto& [id, member] : membership_.members()) {
    if (id == self_.id || !mesh::takes_part(member.state)) continue;
    send(at.now, id, mesh::LogDigest{false, ledger_.positions()});
  }
}

void Node::claim_changed(Moment at) {
  weave_by_ = at.now;
  if (!found_) vassal_.resume();
  tell_scheduler(at.now);
  const Member* scheduler = membership_.find(election_.claim().scheduler.node);
  const bool other = std::exchange(last_scheduler_, election_.claim().scheduler.node) !=
                     election_.claim().scheduler.node;
  if (other && !found_ && election_.claim().term > 1 && scheduler != nullptr) {
    tell("node " + scheduler->profile.control_address + " has taken over as scheduler");
  }
  if (is_scheduler()) {
    report::Named name;
    name.full_id = config_.job_id;
    name.short_id = config_.short_id;
    name.started_wall_ms = started_wall_ms_;
    name.expected_nodes = config_.expected_nodes;
    live_nodes_dirty_ = true;
    scheduler_.begin(at.now - elapsed(at), election_.claim(), std::move(name));
    next_announce_at_ = at.now;
    next_status_at_ = at.now + config_.status_every;
  } else {
    scheduler_.step_down();
    // What it lacks of ours, it should have now.
    send(at.now, election_.claim().scheduler.node, mesh::LogDigest{false, ledger_.positions()});
  }
}

// After a stall of this node's own loop the others have not been silent: it has not listened.
void Node::guard_against_stall(Instant now) {
  if (expected_at_ == Instant::never() || now < expected_at_ + config_.mesh.stall_min) return;
  const Duration stall = now - expected_at_;
  marks.stalled.reach();
  awareness_.poorly();
  const bool alone = membership_.live_count() == 1;
  stood_still_ |= stall >= config_.mesh.stall_long && now >= seeks_again_at_;
  if (stall >= config_.mesh.stall_long && !alone) {
    marks.held.reach();
    held_until_ = now + config_.mesh.hold_after_stall;
  }
  membership_.excuse(stall);
  prober_.excuse(now);
  election_.excuse(stall);
}

// Processes that start together on a busy machine answer one another late. Each would claim to be
// the scheduler of a mesh of its own, and all would have to be told otherwise.
void Node::await_first_view(Instant now) {
  const Instant latest = started_at_ + config_.mesh.settle + config_.mesh.claim_patience;
  const bool expects = membership_.live_count() > 1 || links_.is_dialling();
  if (now >= latest || view_heard_ || !expects) return;
  election_.postpone(std::min(latest, now + config_.mesh.glance_every));
}

// Known for long enough to have answered through somebody, and has not, or not through anybody that
// is still there.
bool Node::is_unheard(Instant now, const NodeId& id) const {
  const Member* member = membership_.find(id);
  if (member == nullptr || now < member->since + config_.mesh.unheard_after) return false;
  const std::optional<NodeId> via = relay_.route(id);
  return !via || !links_.is_connected(*via);
}

void Node::advance_mesh(Moment at) {
  guard_against_stall(at.now);
  for (const NodeId& gone : links_.take_refusals()) membership_.accuse(at.now, gone, true);
  for (const NodeId& id : links_.take_unreached()) {
    if (is_unheard(at.now, id)) membership_.accuse(at.now, id);
  }
  mesh::Prober::Requests requests;
  prober_.advance(at.now, membership_, requests);
  perform(at.now, requests);
  membership_.advance(at.now);
  advance_gossip(at);
  await_first_view(at.now);
  if (election_.advance(at.now, membership_)) claim_changed(at);
  weave_overlay(at.now);
  if (is_scheduler() && at.now >= next_announce_at_) {
    next_announce_at_ = at.now + config_.mesh.announce_every;
    for (const auto& [id, member] : membership_.members()) {
      if (id != self_.id && mesh::takes_part(member.state)) {
        send(at.now, id, mesh::Announce{election_.claim()});
      }
    }
  }
}

void Node::advance(Moment at) {
  if (config_.role != Role::kObserver) {
    if (!goodbye_said_) advance_mesh(at);
    advance_work(at);
  }
  links_.advance(at.now);
  expected_at_ = std::max(at.now, next_deadline());
}

Instant Node::next_deadline() const {
  if (config_.role == Role::kObserver) return links_.next_deadline();
  Instant next =
      std::min({links_.next_deadline(), membership_.next_deadline(), prober_.next_deadline(),
                election_.next_deadline(), vassal_.next_deadline(), next_digest_at_,
                next_log_flush_at_, next_worker_report_at_, end_tests_at_, depart_by_});
  const bool hands_over = departing_ && !end_ && !found_ && !job_.closed() && !is_handed_over();
  if (hands_over) next = std::min(next, next_hand_over_at_);
  if (weave_by_ != Instant::never()) next = std::min(next, next_weave_at());
  if (!membership_.gossip().empty() || !membership_.newcomers().empty()) {
    next = std::min(next, next_gossip_at_);
  }
  if (is_scheduler()) next = std::min({next, next_announce_at_, next_status_at_});
  const bool held = held_until_ != Instant::never();
  if (is_out_of_touch()) next = std::min(next, seeks_again_at_);
  if (found_ && !end_) next = std::min(next, end_found_by_);
  if (scheduler_.is_active() && !schedules_no_more()) {
    next = std::min(next, held ? held_until_ : scheduler_.next_deadline());
  }
  return next;
}

NodeActions Node::take_actions() {
  actions_.links = links_.take_actions();
  actions_.events = events_.take_lines();
  return std::exchange(actions_, {});
}

void Node::say_goodbye(Moment at) {
  if (goodbye_said_ || config_.role == Role::kObserver) return;
  goodbye_said_ = true;
  membership_.leave(at.now);
  const mesh::Statement farewell = membership_.self().statement;
  for (const auto& [id, member] : membership_.members()) {
    if (links_.is_connected(id)) send(at.now, id, mesh::Rumours{{farewell}, {}});
  }
}

}  // namespace dagz
