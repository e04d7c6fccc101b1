#include "mesh/ledger.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "mesh/check.hpp"
#include "mesh/digest.hpp"
#include "mesh/mark.hpp"
#include "mesh/planted.hpp"

namespace dagz::mesh {
namespace {

struct {
  Mark gap{"ledger: a batch comes before the one that it follows"};
  Mark late{"ledger: a batch was kept until the one that it follows came"};
  Mark known{"ledger: a batch comes again"};
} marks;

// Signing passes over its bytes twice: of the head that is little, and it stands for the rest.
Buffer signed_part(const Hash& head) {
  Buffer out;
  WireWriter writer(out);
  writer.write_bytes("log head", 8);
  writer(head);
  return out;
}

}  // namespace

// Of the chain, with this batch as its end.
Hash Ledger::head_after(const LogBatch& batch) const {
  std::size_t bytes = 128;
  for (const Buffer& entry : batch.entries) bytes += entry.size() + 4;
  Buffer out;
  out.reserve(bytes);
  WireWriter writer(out);
  writer.write_bytes("log", 3);
  writer(batch.origin, batch.first, batch.previous);
  writer.write_varint(batch.entries.size());
  for (const Buffer& entry : batch.entries) {
    writer.write_varint(entry.size());
    writer.write_bytes(entry.data(), entry.size());
  }
  return crypto_.hash(out);
}

bool Ledger::is_signed(const LogBatch& batch, const Hash& head, const PublicKey& key) const {
  return crypto_.verify(key, signed_part(head), batch.signature);
}

// Whether no chain has both.
bool Ledger::contradict(const LogBatch& one, const LogBatch& other) const {
  if (other.first < one.first) return contradict(other, one);
  const uint64_t end = one.first + one.entries.size();
  if (other.first > end) return false;
  if (other.first == end) return other.previous != head_after(one);
  return other.first != one.first || other.signature != one.signature;
}

// It does not belong to the log yet, but two of them may tell two stories.
Ledger::Verdict Ledger::refuse_early(Log& log, const LogBatch& batch, const PublicKey& key) const {
  marks.gap.reach();
  const std::optional<LogBatch> before = std::exchange(log.early, batch);
  if (!before || !contradict(*before, batch)) return Verdict::kGap;
  for (const LogBatch* one : {&*before, &batch}) {
    if (!is_signed(*one, head_after(*one), key)) return Verdict::kGap;
  }
  log.proof = {*before, batch};
  if (batch.first < before->first) std::swap(log.proof[0], log.proof[1]);
  return Verdict::kForked;
}

void Ledger::append(Buffer entry) {
  CHECK(entry.size() <= kEntryMax);
  const NodeId& me = crypto_.node_id();
  const uint64_t index = logs_[me].length + pending_.size();
  // The copy that is kept is no larger than the entry, whatever the writer had reserved.
  pending_.push_back(entry);
  unread_.push_back({me, index, std::move(entry)});
}

const LogBatch* Ledger::flush() {
  if (pending_.empty()) return nullptr;
  const NodeId& me = crypto_.node_id();
  Log& log = logs_[me];
  LogBatch batch;
  batch.origin = me;
  batch.first = log.length;
  batch.previous = log.head;
  std::size_t bytes = 0;
  std::size_t count = 0;
  while (count < pending_.size() && count < kBatchEntriesMax) {
    bytes += pending_[count].size();
    if (count > 0 && bytes > kBatchBytesMax) break;
    ++count;
  }
  const auto end = pending_.begin() + static_cast<std::ptrdiff_t>(count);
  batch.entries.assign(std::make_move_iterator(pending_.begin()), std::make_move_iterator(end));
  pending_.erase(pending_.begin(), end);
  const Hash head = head_after(batch);
  batch.signature = crypto_.sign(signed_part(head));
  seal(log, std::move(batch), head);
  return &log.batches.back();
}

void Ledger::seal(Log& log, LogBatch batch, const Hash& head) {
  log.head = head;
  log.length += batch.entries.size();
  log.batches.push_back(std::move(batch));
}

Ledger::Verdict Ledger::accept(const LogBatch& batch, const PublicKey& key) {
  if (batch.origin == crypto_.node_id()) return Verdict::kKnown;
  if (batch.entries.empty()) return Verdict::kForged;
  Log& log = logs_[batch.origin];
  if (log.is_shut_out()) return Verdict::kForked;
  if (batch.first > log.length && !is_planted(Planted::kSkipsGaps)) {
    return refuse_early(log, batch, key);
  }
  if (batch.first < log.length) {
    // Known, unless its author tells two stories: same place, both signed, different content.
    const auto held =
        std::lower_bound(log.batches.begin(), log.batches.end(), batch.first,
                         [](const LogBatch& other, uint64_t first) { return other.first < first; });
    if (held != log.batches.end() && held->first == batch.first &&
        held->signature == batch.signature) {
      marks.known.reach();
      return Verdict::kKnown;
    }
    if (!is_signed(batch, head_after(batch), key)) return Verdict::kForged;
    const bool begins_alike = held != log.batches.end() && held->first == batch.first;
    const auto before = held == log.batches.begin() ? held : std::prev(held);
    log.proof = {begins_alike ? *held : *before, batch};
    return Verdict::kForked;
  }
  const Hash head = head_after(batch);
  if (!is_signed(batch, head, key)) return Verdict::kForged;
  if (batch.previous != log.head && !is_planted(Planted::kSkipsGaps)) {
    if (log.batches.empty()) return Verdict::kForged;
    log.proof = {log.batches.back(), batch};
    return Verdict::kForked;
  }
  for (std::size_t i = 0; i < batch.entries.size(); ++i) {
    unread_.push_back({batch.origin, batch.first + i, batch.entries[i]});
  }
  seal(log, batch, head);
  if (!log.early || log.early->first > log.length) return Verdict::kAppended;
  const LogBatch early = *std::exchange(log.early, std::nullopt);
  const Verdict verdict = accept(early, key);
  if (verdict == Verdict::kAppended) marks.late.reach();
  return verdict == Verdict::kForked ? verdict : Verdict::kAppended;
}

uint64_t Ledger::length(const NodeId& origin) const {
  const auto log = logs_.find(origin);
  return log == logs_.end() ? 0 : log->second.length;
}

std::vector<LogPosition> Ledger::positions() const {
  std::vector<LogPosition> positions;
  positions.reserve(logs_.size());
  for (const auto& [origin, log] : logs_) {
    if (log.length > 0 && !log.is_shut_out()) positions.push_back({origin, log.length});
  }
  return positions;
}

uint64_t Ledger::digest() const {
  Digest digest;
  for (const auto& [origin, log] : logs_) {
    if (log.length > 0 && !log.is_shut_out()) digest.add(origin, log.length, 0);
  }
  return digest.value();
}

bool Ledger::covers(const std::vector<LogPosition>& positions) const {
  return std::all_of(positions.begin(), positions.end(), [this](const LogPosition& position) {
    return length(position.origin) >= position.length;
  });
}

bool Ledger::lacks(const std::vector<LogPosition>& theirs) const {
  return std::any_of(theirs.begin(), theirs.end(), [this](const LogPosition& position) {
    return length(position.origin) < position.length && !is_shut_out(position.origin);
  });
}

std::deque<LogBatch>::const_iterator Ledger::Log::beyond(uint64_t entries) const {
  return std::lower_bound(batches.begin(), batches.end(), entries,
                          [](const LogBatch& batch, uint64_t within) {
                            return batch.first + batch.entries.size() <= within;
                          });
}

std::vector<LogBatch> Ledger::batches_from(const NodeId& origin, uint64_t first) const {
  const auto log = logs_.find(origin);
  if (log == logs_.end()) return {};
  return {log->second.beyond(first), log->second.batches.end()};
}

std::vector<LogBatch> Ledger::missing_for(const std::vector<LogPosition>& theirs,
                                          std::size_t byte_limit) const {
  std::map<NodeId, uint64_t> known;
  for (const LogPosition& position : theirs) known[position.origin] = position.length;
  std::vector<LogBatch> missing;
  std::size_t bytes = 0;
  for (const auto& [origin, log] : logs_) {
    if (log.is_shut_out()) continue;
    const auto found = known.find(origin);
    const uint64_t from = found == known.end() ? 0 : found->second;
    // Whoever has a part of a batch only was told another story, and learns so by it.
    for (auto batch = log.beyond(from); batch != log.batches.end(); ++batch) {
      if (missing.size() >= 1024 || (bytes > 0 && bytes > byte_limit)) return missing;
      for (const Buffer& entry : batch->entries) bytes += entry.size();
      missing.push_back(*batch);
    }
  }
  return missing;
}

void Ledger::drain(const Reader& reader) {
  while (!unread_.empty()) {
    const Unread next = std::move(unread_.front());
    unread_.pop_front();
    reader(next.origin, next.index, next.entry);
  }
}

void Ledger::read(
    const std::vector<LogPosition>& positions,
    const std::function<void(const NodeId& origin, const Buffer& entry)>& reader) const {
  for (const LogPosition& position : positions) {
    const auto log = logs_.find(position.origin);
    if (log == logs_.end()) continue;
    uint64_t index = 0;
    for (const LogBatch& batch : log->second.batches) {
      for (const Buffer& entry : batch.entries) {
        if (index++ < position.length) reader(position.origin, entry);
      }
    }
  }
}

bool Ledger::is_shut_out(const NodeId& origin) const {
  const auto log = logs_.find(origin);
  return log != logs_.end() && log->second.is_shut_out();
}

std::vector<LogBatch> Ledger::proof_against(const NodeId& origin) const {
  const auto log = logs_.find(origin);
  return log == logs_.end() ? std::vector<LogBatch>{} : log->second.proof;
}

}  // namespace dagz::mesh
