#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "mesh/archive.hpp"
#include "mesh/crypto.hpp"
#include "mesh/ids.hpp"

// The job's memory: one append-only log per node, cut into batches that its author hash-chains and
// signs, so that anybody may pass them on. Nodes compare lengths (scuttlebutt reconciliation: van
// Renesse et al. 2008) and send what the other lacks. What the entries mean is not known here.
//
// An author that signs two stories is shut out: its log is left out of all that is compared, sent
// and named, as nobody can know which story the others hold. Two batches prove it to everybody.

namespace dagz::mesh {

inline constexpr std::size_t kEntryMax = 512 * 1024;
inline constexpr std::size_t kBatchBytesMax = 1024 * 1024;
inline constexpr std::size_t kBatchEntriesMax = 65'536;

struct LogBatch {
  NodeId origin;
  uint64_t first = 0;  // index of its first entry in the origin's log
  Hash previous;       // head of the chain before
  std::vector<Buffer> entries;
  Signature signature;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(origin, first, previous, bounded(entries, kBatchEntriesMax), signature);
  }
};

struct LogPosition {
  NodeId origin;
  uint64_t length = 0;  // entries

  bool operator==(const LogPosition&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(origin, length);
  }
};

class Ledger {
 public:
  enum class Verdict : uint8_t {
    kAppended,
    kKnown,
    kGap,     // comes after something that is not here yet
    kForged,  // bad signature or chain
    kForked,  // its author signed two different stories: shut out from here on
  };

  explicit Ledger(const Crypto& crypto) : crypto_(crypto) {}

  // Adds to the own log; the entry is visible to `drain` at once and leaves with the next batch.
  void append(Buffer entry);
  bool has_pending() const { return !pending_.empty(); }
  // Signs what is pending as one batch. Null when nothing is.
  const LogBatch* flush();

  // `key` is the origin's. The last batch of a log that came too early is kept, and appended behind
  // the one that it follows.
  Verdict accept(const LogBatch& batch, const PublicKey& key);

  // Sealed entries of a log, also of one that is shut out; 0 for one never heard of.
  uint64_t length(const NodeId& origin) const;
  std::vector<LogPosition> positions() const;
  // Of all positions.
  uint64_t digest() const;
  // True if this ledger holds at least all that.
  bool covers(const std::vector<LogPosition>& positions) const;
  // Those of a log that begin with this entry or later.
  std::vector<LogBatch> batches_from(const NodeId& origin, uint64_t first) const;
  // Whole batches that the holder of `theirs` lacks, oldest first, about `byte_limit` at the most.
  std::vector<LogBatch> missing_for(const std::vector<LogPosition>& theirs,
                                    std::size_t byte_limit) const;
  // True if `theirs` has anything that is not here.
  bool lacks(const std::vector<LogPosition>& theirs) const;

  // Hands out each entry once, in the order of its log, also the own unsealed ones.
  using Reader = std::function<void(const NodeId& origin, uint64_t index, const Buffer& entry)>;
  void drain(const Reader& reader);
  bool has_unread() const { return !unread_.empty(); }

  // The sealed entries of each log up to the given lengths, again.
  void read(const std::vector<LogPosition>& positions,
            const std::function<void(const NodeId& origin, const Buffer& entry)>& reader) const;

  bool is_shut_out(const NodeId& origin) const;
  // Two batches that contradict each other, in their order; none as long as no two do. Whoever
  // accepts both shuts their author out, whatever it holds of the log.
  std::vector<LogBatch> proof_against(const NodeId& origin) const;

 private:
  struct Log {
    std::deque<LogBatch> batches;
    uint64_t length = 0;
    Hash head;
    std::optional<LogBatch> early;  // the last one that came too early
    std::vector<LogBatch> proof;    // of two stories; the log is shut out

    bool is_shut_out() const { return !proof.empty(); }
    // The first batch that is not all within this length.
    std::deque<LogBatch>::const_iterator beyond(uint64_t entries) const;
  };

  Hash head_after(const LogBatch& batch) const;
  bool is_signed(const LogBatch& batch, const Hash& head, const PublicKey& key) const;
  bool contradict(const LogBatch& one, const LogBatch& other) const;
  Verdict refuse_early(Log& log, const LogBatch& batch, const PublicKey& key) const;
  void seal(Log& log, LogBatch batch, const Hash& head);

  const Crypto& crypto_;
  std::map<NodeId, Log> logs_;
  std::vector<Buffer> pending_;
  struct Unread {
    NodeId origin;
    uint64_t index = 0;
    Buffer entry;
  };
  std::deque<Unread> unread_;
};

}  // namespace dagz::mesh
