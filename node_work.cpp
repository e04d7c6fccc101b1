#include <algorithm>

#include "mesh/check.hpp"
#include "mesh/mark.hpp"
#include "mesh/planted.hpp"
#include "node.hpp"
#include "report/text.hpp"

// The part of a node that deals with logs and work: entries are folded into the job's state, the
// state moves the scheduler and the vassal, and what they decide becomes entries again.

namespace dagz {

using report::Change;
using report::Entry;
using GrantKind = sched::Vassal::GrantKind;

namespace {

struct {
  Mark fenced_off{"work: a grant under an outdated claim is refused"};
  Mark nameless{"work: a grant overtakes the names of its tests"};
} marks;

// So much of a log in one message; the rest follows the next digest.
constexpr std::size_t kPushBytesMax = 512 * 1024;
// Signing and sending one message to one member takes about 50 microseconds: a scheduler spends at
// most a sixth of its time on passing logs on.
constexpr Duration kFanOutEach = Duration::microseconds(300);
// The scheduler shares out the last seconds by what it knows of the results.
constexpr Duration kFlushAtTheEnd = Duration::milliseconds(10);
// Names and paths of one entry.
constexpr std::size_t kListedBytesMax = 128 * 1024;
constexpr std::size_t kGroupedMax = 50'000;

report::FileKey key_from(const Crypto& crypto, const Buffer& content) {
  const Hash hash = crypto.hash(content);
  report::FileKey key = 0;
  for (int i = 0; i < 8; ++i) key = (key << 8) | hash.bytes[static_cast<std::size_t>(i)];
  return key;
}

report::FileKey key_of(const Crypto& crypto, const sched::FileCollected& file) {
  Buffer content;
  WireWriter writer(content);
  writer(file.path);
  for (const std::string& id : file.ids) writer(id);
  return key_from(crypto, content);
}

// Of a file that is found: its tests are not known.
report::FileKey key_of_found(const Crypto& crypto, const std::string& path) {
  Buffer content;
  WireWriter writer(content);
  writer(std::string("found"));
  writer(path);
  writer(std::string());
  return key_from(crypto, content);
}

}  // namespace

// Whoever has left has said its last word; an archivist has none.
void Node::write(const Entry& entry) {
  CHECK(config_.role == mesh::Role::kVassal);
  if (!has_departed()) ledger_.append(encode(entry));
}

Duration Node::elapsed(Moment at) const {
  const int64_t began = job_.named() ? job_.named()->started_wall_ms : started_wall_ms_;
  return Duration::milliseconds(std::max<int64_t>(0, at.wall_ms - began));
}

// ---- logs -------------------------------------------------------------------------------------

void Node::push_batches(Instant now, const NodeId& to, std::vector<mesh::LogBatch> batches) {
  std::size_t bytes = 0;
  std::vector<mesh::LogBatch> part;
  for (mesh::LogBatch& batch : batches) {
    std::size_t size = 256;
    for (const Buffer& entry : batch.entries) size += entry.size() + 4;
    if (!part.empty() && bytes + size > kPushBytesMax) {
      send(now, to, mesh::LogPush{std::move(part)}, mesh::Lane::kBulk);
      part.clear();
      bytes = 0;
    }
    bytes += size;
    part.push_back(std::move(batch));
  }
  if (!part.empty()) send(now, to, mesh::LogPush{std::move(part)}, mesh::Lane::kBulk);
}

// Own batches go straight to the scheduler; the scheduler sends everything new to everybody.
void Node::publish_logs(Moment at) {
  // Whoever joins hears at once what a lone node has kept for itself.
  const bool alone = membership_.live_count() == 1;
  const bool any = ledger_.has_pending() || !to_forward_.empty();
  if (any && next_log_flush_at_ == Instant::never()) {
    next_log_flush_at_ = ends_soon_ && !alone ? std::max(at.now + kFlushAtTheEnd, next_fan_out_at_)
                                              : at.now + config_.mesh.log_flush_every;
  }
  // Urgent entries leave at once in a small mesh; in a large one the scheduler gathers them, or
  // each would cost it as many messages as there are members.
  if (flush_now_ && !alone) {
    next_log_flush_at_ = std::min(next_log_flush_at_, next_fan_out_at_);
  }
  if (at.now < next_log_flush_at_) return;
  flush_now_ = false;
  next_fan_out_at_ = at.now;
  if (is_scheduler()) {
    const auto members = static_cast<int64_t>(membership_.live_count());
    next_fan_out_at_ = at.now + std::min(config_.mesh.log_flush_every, kFanOutEach * members);
  }
  next_log_flush_at_ = Instant::never();
  while (const mesh::LogBatch* batch = ledger_.flush()) to_forward_.push_back(*batch);
  if (to_forward_.empty()) return;
  std::vector<mesh::LogBatch> batches = std::exchange(to_forward_, {});
  if (!is_scheduler()) {
    // Work may come before the claim under which it is given.
    const mesh::Claim& adopted = election_.claim();
    if (mesh::is_better(fence_, adopted) && fence_.scheduler.node != adopted.scheduler.node) {
      push_batches(at.now, fence_.scheduler.node, batches);
    }
    if (adopted.exists()) push_batches(at.now, adopted.scheduler.node, std::move(batches));
    return;
  }
  for (const auto& [id, member] : membership_.members()) {
    if (id == self_.id || !mesh::takes_part(member.state)) continue;
    std::vector<mesh::LogBatch> news;
    for (const mesh::LogBatch& batch : batches) {
      if (batch.origin != id) news.push_back(batch);
    }
    push_batches(at.now, id, std::move(news));
  }
}

void Node::on(Moment at, const NodeId& from, const mesh::LogDigest& message) {
  // It lists its own log for ever, and nobody else's tells anything new of that.
  if (is_shut_out(from)) return;
  for (const mesh::LogPosition& position : message.positions) {
    push_batches(at.now, from, ledger_.proof_against(position.origin));
  }
  std::vector<mesh::LogBatch> missing = ledger_.missing_for(message.positions, kPushBytesMax);
  if (!missing.empty()) {
    lacking_[from] = at.now;
    push_batches(at.now, from, std::move(missing));
  }
  if (departing_) heard_holdings(from, message.positions);
  // Whoever is about to leave wants to know what stays.
  const bool wanted = ledger_.lacks(message.positions) || departed_.contains(from);
  if (!message.answer && wanted) send(at.now, from, mesh::LogDigest{true, ledger_.positions()});
}

void Node::on(Moment at, const NodeId& from, const mesh::LogPush& message) {
  bool gap = false;
  bool news = false;
  std::size_t bytes = 0;
  for (const mesh::LogBatch& batch : message.batches) {
    for (const Buffer& entry : batch.entries) bytes += entry.size();
    const mesh::Member* author = membership_.find(batch.origin);
    if (author == nullptr) {
      // It came while this node was cut off. Views are compared first, then logs again.
      next_digest_at_ = std::min(next_digest_at_, at.now + config_.mesh.view_every);
      continue;
    }
    switch (ledger_.accept(batch, author->profile.key)) {
      case mesh::Ledger::Verdict::kAppended:
        news = true;
        // What came early may follow it.
        if (is_scheduler()) {
          for (mesh::LogBatch& one : ledger_.batches_from(batch.origin, batch.first)) {
            to_forward_.push_back(std::move(one));
          }
        }
        break;
      case mesh::Ledger::Verdict::kGap:
        gap = true;
        break;
      case mesh::Ledger::Verdict::kForked:
        shut_out(author->profile, from);
        break;
      case mesh::Ledger::Verdict::kKnown:
      case mesh::Ledger::Verdict::kForged:
        break;
    }
  }
  // More may follow a full message, and a gap wants filling at once.
  if (gap || (news && bytes >= kPushBytesMax / 2)) {
    send(at.now, from, mesh::LogDigest{true, ledger_.positions()});
  }
  if (news) fold(at);
}

bool Node::is_shut_out(const NodeId& id) const {
  const mesh::Member* member = membership_.find(id);
  return member != nullptr && member->shut_out;
}

// Others may have read another story than this node: what it wrote is left out of the report, and
// the job cannot be said to be whole. Everybody must know, or they would not agree.
void Node::shut_out(const mesh::Profile& author, const NodeId& told_by) {
  if (!membership_.shut_out(author.id)) return;
  const std::string why =
      "node " + author.control_address + " signed two different logs: nothing that it wrote counts";
  tell(why + ", and the job ends");
  scheduler_.stop(report::CloseReason::kInterrupted, why);
  live_nodes_dirty_ = true;
  if (!is_scheduler() && told_by == election_.claim().scheduler.node) return;
  for (mesh::LogBatch& batch : ledger_.proof_against(author.id)) {
    to_forward_.push_back(std::move(batch));
  }
  flush_now_ = true;
}

void Node::fold(Moment at) {
  ledger_.drain([&](const NodeId& origin, uint64_t index, const Buffer& bytes) {
    folded_lengths_[origin] = index + 1;
    Entry entry;
    // A log with an entry of a newer version is still a log.
    if (!decode(bytes, entry)) return;
    job_.apply(origin, entry);
    if (config_.events) events_.entry({elapsed(at), at.wall_ms}, job_, origin, entry);
    tests_changed(at);
    folded(at, origin, entry);
  });
}

void Node::tests_changed(Moment at) {
  for (const Change& change : job_.take_changes()) {
    if (config_.events) events_.change({elapsed(at), at.wall_ms}, job_, change);
    if (change.kind == Change::Kind::kKnown) {
      estimates_.add(job_.tests()[change.test]);
    }
    scheduler_.changed(change);
    // A failed test that is not tried again after all gets its line now.
    const report::Test& test = job_.tests()[change.test];
    if (change.kind == Change::Kind::kSettled && !test.attempts.empty()) {
      const bool is_last =
          change.node == report::kNone || change.attempt + 1 == test.attempts.size();
      if (is_last) tell_progress(at, test, test.attempts.back());
    }
    if (change.kind != Change::Kind::kFinished) continue;
    const report::Attempt& attempt = test.attempts[change.attempt];
    const report::Finished& result = attempt.result;
    lag_[{change.node, result.slot}] += result.own_duration() - estimates_.of(change.test);
    estimates_.learn(change.test, result.own_duration());
    estimates_.learn_setup(change.test, result.group_setup);
    tell_progress(at, test, attempt);
    if (job_.nodes()[change.node].id == self_.id) continue;
    sched::Vassal::Output out;
    vassal_.finished_elsewhere(change.test, out);
    perform(at, std::move(out));
  }
}

// By the node that ran it and by the scheduler.
void Node::tell_progress(Moment at, const report::Test& test, const report::Attempt& attempt) {
  // What comes after the end, from the other side of a split, is no news any more.
  if (end_) return;
  if (attempt.result.copy && !report::is_counted(test, attempt)) return;
  if (job_.nodes()[attempt.node].id != self_.id && !is_scheduler()) return;
  const report::Finished& result = attempt.result;
  report::ProgressEvent event;
  event.elapsed = elapsed(at);
  event.counts = job_.counts();
  event.verdict = test.verdict;
  event.duration = result.duration;
  event.lag = lag_[{attempt.node, result.slot}];
  event.id = test.id;
  event.cpu_percent = result.cpu_percent;
  event.worker = job_.worker_number(attempt.node, result.slot);
  actions_.progress.push_back(std::move(event));
}

void Node::folded(Moment at, const NodeId& origin, const Entry& entry) {
  scheduler_.seen(at.now, origin, entry);
  if (rerun_.seen(origin, entry)) rerun_changed(entry);
  // Whoever runs nothing takes no work, whatever others write.
  const auto is_for_us = [this](const NodeId& node) {
    return node == self_.id && config_.role == mesh::Role::kVassal;
  };
  sched::Vassal::Output out;
  if (const auto* enlisted = std::get_if<report::Enlisted>(&entry)) {
    const report::NodeState& node = job_.nodes()[job_.node_index(enlisted->node)];
    const bool keeps = is_planted(Planted::kKeepsItsNumbers) && enlisted->revision > 0;
    if (is_for_us(node.id) && node.enlisted && !keeps) vassal_.enlisted(*node.enlisted);
  } else if (const auto* granted = std::get_if<report::Granted>(&entry)) {
    election_.heard(at.now, granted->claim);
    if (granted->alone) tell_alone(*granted);
    if (is_for_us(granted->to)) {
      const bool stale =
          !is_planted(Planted::kObeysStaleClaims) &&
          (mesh::is_stale(granted->claim, fence_) || granted->claim.scheduler.node != origin);
      if (stale) marks.fenced_off.reach();
      if (!stale) fence_ = granted->claim;
      for (const report::Run& run : granted->runs) {
        const GrantKind kind = stale             ? GrantKind::kFenced
                               : granted->tail   ? GrantKind::kTail
                               : granted->copies ? GrantKind::kCopies
                                                 : GrantKind::kWork;
        waiting_grants_.push_back({run, kind});
      }
    }
  } else if (const auto* recalled = std::get_if<report::Recalled>(&entry)) {
    if (is_for_us(recalled->victim) && recalled->claim.scheduler.node == origin) {
      vassal_.recalled(at.now, recalled->number, recalled->wanted, out);
    }
  } else if (const auto* expanded = std::get_if<report::Expanded>(&entry)) {
    if (origin == self_.id) vassal_.expanded(*expanded, out);
  } else if (std::get_if<report::Departed>(&entry) != nullptr) {
    departed_.insert(origin);
    live_nodes_dirty_ = true;
  } else if (const auto* poisoned = std::get_if<report::Poisoned>(&entry)) {
    const report::TestIndex test = job_.test_at(poisoned->file, poisoned->index);
    if (test != report::kNone)
      tell(job_.tests()[test].id + " is not run again: node after node was lost with it");
  } else if (std::get_if<report::Closed>(&entry) != nullptr) {
    vassal_.drain(out);
  }
  perform(at, std::move(out));
}

void Node::tell_alone(const report::Granted& granted) {
  for (const report::Run& run : granted.runs) {
    const report::TestIndex test = job_.test_at(run.file, run.first);
    if (test == report::kNone) continue;
    tell(job_.tests()[test].id + " runs last, and alone: nodes were lost while they had it");
  }
}

// A grant may overtake the names of what it grants: they come from another log.
void Node::take_grants(Moment at) {
  if (waiting_grants_.empty()) return;
  std::map<GrantKind, std::vector<report::Run>> named;
  std::erase_if(waiting_grants_, [&](const WaitingGrant& grant) {
    const auto version = job_.files().find(grant.run.file);
    if (version == job_.files().end() || !version->second.known()) {
      marks.nameless.reach();
      return false;
    }
    named[grant.kind].push_back(grant.run);
    return true;
  });
  sched::Vassal::Output out;
  for (const auto& [kind, runs] : named) vassal_.granted(runs, kind, out);
  perform(at, std::move(out));
}

// Only the scheduler that this node follows may end its work, whatever others have wished before it
// or wish now: their logs may come late.
void Node::drain(Moment at) {
  if (config_.role != mesh::Role::kVassal) return;
  const mesh::Claim& claim = election_.claim();
  const report::NodeIndex scheduler = job_.node_index(claim.scheduler.node);
  if (!claim.exists() || scheduler == report::kNone || job_.closed()) return;
  const auto& draining = job_.nodes()[scheduler].draining;
  if (!draining || draining->claim != claim) return;
  sched::Vassal::Output out;
  vassal_.drain(out, draining->now);
  perform(at, std::move(out));
  if (!vassal_.is_drained() || drained_told_ == claim) return;
  drained_told_ = claim;
  write(report::Drained{claim});
  flush_now_ = true;
}

// ---- work -------------------------------------------------------------------------------------

void Node::runner_event(Moment at, const sched::RunnerEvent& event) {
  sched::Vassal::Output out;
  if (const auto* file = std::get_if<sched::FileCollected>(&event)) {
    vassal_.offer(offer(*file), file->file);
  } else if (const auto* found = std::get_if<sched::FilesFound>(&event)) {
    tell_found(*found);
  } else if (const auto* collected = std::get_if<sched::WorkerCollected>(&event)) {
    worker_collected(at, *collected, out);
  } else if (const auto* done = std::get_if<sched::CollectionDone>(&event)) {
    for (const sched::CollectionError& error : done->errors) {
      write(report::CollectionFailed{error.path.substr(0, report::kPathMax),
                                     error.text.substr(0, report::kOutputMax)});
    }
    write(report::Collected{});
    if (done->max_fail > 0) scheduler_.limit_failures(done->max_fail);
    if (!done->why.empty()) {
      tell(std::string("collection: ") + (done->shared ? "shared" : "whole") + ", " + done->why);
    }
    for (const std::string& note : done->notes) tell(note);
    flush_now_ = true;
  } else if (const auto* slow = std::get_if<sched::CollectionSlow>(&event)) {
    const std::string time = report::format_duration(slow->since_start);
    const std::string where = slow->path.empty() ? "" : ", now " + slow->path;
    tell(slow->connected ? "pytest has been collecting for " + time + where +
                               "; nothing runs on this node until it is done"
                         : "the command has not started pytest after " + time);
  } else if (const auto* failed = std::get_if<sched::RunnerFailed>(&event)) {
    vassal_.runner_failed(out);
    write(report::Unable{static_cast<uint32_t>(failed->exit_code),
                         failed->text.substr(0, report::kOutputMax)});
    flush_now_ = true;
  } else if (const auto* exit = std::get_if<sched::ExitRequested>(&event)) {
    out.stop_request = {exit->reason, exit->fails};
  } else {
    vassal_.handle(at.now, at.wall_ms, event, out);
  }
  perform(at, std::move(out));
}

void Node::tell_found(sched::FilesFound found) {
  report::Found entry;
  std::size_t bytes = 0;
  for (sched::FilesFound::File& file : found.files) {
    if (file.path.size() > report::kPathMax) file.path.resize(report::kPathMax);
    bytes += file.path.size();
    entry.files.push_back({key_of_found(crypto_, file.path), file.path, file.bytes});
    if (entry.files.size() < report::kFoundPerEntryMax / 8 && bytes < kListedBytesMax) continue;
    write(std::exchange(entry, {}));
    bytes = 0;
  }
  if (!entry.files.empty()) write(std::move(entry));
  vassal_.found(found.files);
}

// Names and all: nobody else may have collected this file.
void Node::worker_collected(Moment at, const sched::WorkerCollected& event,
                            sched::Vassal::Output& out) {
  std::vector<report::FileKey> versions;
  if (!event.file.ids.empty()) {
    versions.push_back(offer(event.file));
    list(versions.back());
    skip_passed(versions.back(), catalog_.at(versions.back()).ids);
  }
  for (const sched::CollectionError& error : event.errors) {
    write(report::CollectionFailed{error.path.substr(0, report::kPathMax),
                                   error.text.substr(0, report::kOutputMax)});
  }
  vassal_.collected(at.now, event, versions, out);
  flush_now_ = true;
}

report::FileKey Node::offer(sched::FileCollected file) {
  // An id that fits no entry is cut: the test runs all the same.
  if (file.path.size() > report::kPathMax) file.path.resize(report::kPathMax);
  for (std::string& id : file.ids) {
    if (id.size() > report::kTestIdMax) id.resize(report::kTestIdMax);
  }
  const report::FileKey key = key_of(crypto_, file);
  write(report::Offered{key});
  catalog_[key] = std::move(file);
  // The scheduler's names serve everybody; others are asked when theirs differ.
  if (is_scheduler()) list(key);
  return key;
}

void Node::list(report::FileKey key) {
  const auto found = catalog_.find(key);
  if (found == catalog_.end() || !listed_.insert(key).second) return;
  const auto known = job_.files().find(key);
  if (known != job_.files().end() && known->second.known()) return;
  const sched::FileCollected& file = found->second;
  list_requirements(key, file);
  const auto count = static_cast<uint32_t>(file.ids.size());
  std::size_t at = 0;
  do {
    report::Listed part{key, file.path, count, static_cast<uint32_t>(at), {}};
    std::size_t bytes = 0;
    while (at < file.ids.size() && part.ids.size() < report::kIdsPerEntryMax &&
           bytes < kListedBytesMax) {
      bytes += file.ids[at].size();
      part.ids.push_back(file.ids[at++]);
    }
    write(std::move(part));
  } while (at < file.ids.size());
  flush_now_ = true;
}

// Before the names: a test that is known is granted.
void Node::list_requirements(report::FileKey key, const sched::FileCollected& file) {
  const auto in_parts = [](const std::vector<uint32_t>& indexes, const auto& write_part) {
    for (std::size_t from = 0; from < indexes.size(); from += kGroupedMax) {
      const std::size_t end = std::min(indexes.size(), from + kGroupedMax);
      write_part(std::vector<uint32_t>(indexes.begin() + static_cast<std::ptrdiff_t>(from),
                                       indexes.begin() + static_cast<std::ptrdiff_t>(end)));
    }
  };
  for (const sched::LocalGroup& group : file.groups) {
    in_parts(group.indexes, [&](std::vector<uint32_t> part) {
      write(report::Grouped{key, group.name.substr(0, report::kPathMax), std::move(part)});
    });
  }
  for (const sched::LocalRequirement& one : file.requirements) {
    in_parts(one.indexes, [&](std::vector<uint32_t> part) {
      write(report::Required{key, one.exclusive, one.weight, one.mutex.substr(0, report::kPathMax),
                             one.times_usual, std::move(part)});
    });
  }
}

void Node::on(Moment, const NodeId&, const sched::NamesWanted& message) {
  for (const report::FileKey key : message.files) list(key);
}

void Node::on(Moment, const NodeId& from, const sched::StealRequest&) {
  scheduler_.steal_requested(from);
}

void Node::on(Moment at, const NodeId& from, const sched::WorkerReport& message) {
  reported_[from] = message.workers;
  scheduler_.told(at.now, from, message.workers);
}

void Node::on(Moment, const NodeId&, const sched::StopRequest& message) {
  if (!is_scheduler()) return;
  using report::CloseReason;
  scheduler_.stop(message.fails ? CloseReason::kFailed : CloseReason::kInterrupted, message.reason);
}

void Node::perform(Moment at, sched::Vassal::Output output) {
  for (const Entry& entry : output.entries) write(entry);
  // What others wait for leaves at once; results wait for company.
  for (const Entry& entry : output.entries) {
    const bool begins = std::holds_alternative<report::Began>(entry);
    if (begins || std::holds_alternative<report::GaveUp>(entry)) flush_now_ = true;
  }
  if (!output.entries.empty() && !output.has_finished_test) flush_now_ = true;
  for (sched::RunnerCommand& command : output.commands) {
    actions_.commands.push_back(std::move(command));
  }
  if (output.notice) tell(*output.notice);
  const NodeId& scheduler = election_.claim().scheduler.node;
  if (output.steal_request && election_.claim().exists()) {
    if (is_scheduler()) {
      scheduler_.steal_requested(self_.id);
    } else {
      send(at.now, scheduler, sched::StealRequest{});
    }
  }
  if (output.stop_request) {
    sched::StopRequest& request = *output.stop_request;
    request.reason.resize(std::min<std::size_t>(request.reason.size(), report::kPathMax));
    if (is_scheduler()) {
      on(at, self_.id, request);
    } else if (election_.claim().exists()) {
      send(at.now, scheduler, std::move(request));
    }
  }
}

void Node::update_live_nodes() {
  live_nodes_dirty_ = false;
  std::vector<const mesh::Member*> members;
  const bool all_go = everybody_departs();
  for (const auto& [id, member] : membership_.members()) {
    if (mesh::works(member) && (all_go || !departed_.contains(id))) members.push_back(&member);
  }
  if (all_go) scheduler_.stop(report::CloseReason::kInterrupted, "interrupted");
  std::sort(members.begin(), members.end(), [](const mesh::Member* a, const mesh::Member* b) {
    return a->profile.birth() < b->profile.birth();
  });
  std::vector<sched::LiveNode> live;
  for (const mesh::Member* member : members) {
    live.push_back({member->profile.id, member->profile.workers,
                    member->state == mesh::MemberState::kSuspect, member->profile.speed});
  }
  scheduler_.set_live(live);
}

void Node::run_scheduler(Moment at) {
  if (!scheduler_.is_active()) return;
  if (schedules_no_more() || seeks_report(at.now)) return;
  if (held_until_ != Instant::never()) {
    if (at.now < held_until_) return;
    held_until_ = Instant::never();
  }
  if (live_nodes_dirty_) update_live_nodes();
  // Catalogs collected before this node was the scheduler.
  if (listed_.size() < catalog_.size()) {
    for (const auto& [key, file] : catalog_) list(key);
  }
  sched::Scheduler::Output out;
  scheduler_.advance(at.now, out);
  if (!out.entries.empty()) flush_now_ = true;
  for (const Entry& entry : out.entries) write(entry);
  for (auto& [node, files] : out.names_wanted) {
    if (node == self_.id) {
      for (const report::FileKey key : files) list(key);
    } else {
      send(at.now, node, sched::NamesWanted{std::move(files)});
    }
  }
  if (out.reopens) {
    tell("there is more to run, as another node has come: the job goes on");
    election_.claim_anew(at.now);
    claim_changed(at);
  }
  if (out.closed) {
    fold(at);
    out.closed->duration = elapsed(at);
    close(std::move(*out.closed));
  }
}

// The closing entry covers everything this node holds, its own log up to here included.
void Node::close(report::Closed closed) {
  while (const mesh::LogBatch* batch = ledger_.flush()) to_forward_.push_back(*batch);
  closed.positions = ledger_.positions();
  closed.lost = lost_nodes();
  deaf_ = closed.reason == report::CloseReason::kSlice;
  write(std::move(closed));
  flush_now_ = true;
}

// Those that took part.
std::vector<NodeId> Node::lost_nodes() const {
  std::vector<NodeId> lost;
  for (const auto& [id, member] : membership_.members()) {
    if (member.state == mesh::MemberState::kDead && ledger_.length(id) > 0) lost.push_back(id);
  }
  return lost;
}

void Node::advance_work(Moment at) {
  // What is decided becomes entries, which are folded, which may lead to the next decision; each
  // round consumes entries, and there are only finitely many tests to speak of.
  for (int round = 0; round < 8; ++round) {
    fold(at);
    take_grants(at);
    drain(at);
    tell_earlier_attempt();
    const std::size_t commands = actions_.commands.size();
    run_scheduler(at);
    sched::Vassal::Output out;
    vassal_.advance(at.now, out);
    ends_soon_ = out.ends_soon;
    perform(at, std::move(out));
    if (!ledger_.has_unread() && actions_.commands.size() == commands) break;
  }
  publish_logs(at);
  report_workers(at);
  finish(at);
}

void Node::report_workers(Moment at) {
  if (at.now >= next_worker_report_at_) {
    next_worker_report_at_ = at.now + Duration::seconds(1);
    if (is_scheduler()) {
      scheduler_.told(at.now, self_.id, vassal_.statuses(at.now));
    } else if (election_.claim().exists() && !job_.closed()) {
      send(at.now, election_.claim().scheduler.node, sched::WorkerReport{vassal_.statuses(at.now)});
    }
  }
  if (!is_scheduler() || at.now < next_status_at_) return;
  next_status_at_ = at.now + config_.status_every;
  if (!job_.closed()) actions_.statuses = worker_statuses(at);
}

std::vector<report::WorkerStatus> Node::worker_statuses(Moment at) const {
  std::vector<report::WorkerStatus> list;
  for (const report::NodeState& node : job_.nodes()) {
    if (!node.enlisted) continue;
    const mesh::Member* member = membership_.find(node.id);
    const bool lost = member == nullptr || !mesh::takes_part(member->state);
    const auto reported = reported_.find(node.id);
    std::vector<report::WorkerStatus> mine;
    if (node.id == self_.id) {
      mine = vassal_.statuses(at.now);
    } else if (reported != reported_.end()) {
      mine = reported->second;
    }
    for (uint32_t i = 0; i < node.enlisted->workers; ++i) {
      report::WorkerStatus status;
      if (i < mine.size()) status = mine[i];
      status.number = node.enlisted->first_worker + i;
      if (lost) status.state = report::WorkerState::kDisconnected;
      list.push_back(std::move(status));
    }
  }
  std::sort(list.begin(), list.end(),
            [](const auto& a, const auto& b) { return a.number < b.number; });
  return list;
}

}  // namespace dagz
