#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "mesh/archive.hpp"
#include "mesh/envelope.hpp"
#include "mesh/io/keyring.hpp"
#include "mesh/link.hpp"
#include "mesh/time.hpp"

namespace dagz::mesh {

// Accepted links of one lane; more are cut at their first message.
inline constexpr std::size_t kAcceptedLinksMax = 2048;
inline constexpr std::size_t kDialledLinksMax = 2048;

enum class DownReason : uint8_t {
  kClosed,    // the link was up, and the other side or the network ended it
  kRefused,   // the host answers that nobody listens there: no such process
  kRejected,  // the handshake failed: another secret, another run, or no dagz at all
  kTimedOut,  // no answer, or the host cannot be reached
};

struct Received {
  LinkId link = 0;
  Lane lane = Lane::kControl;
  Buffer bytes;
};
// A dialled link has finished its handshake. An accepted link shows with its first Received.
struct LinkUp {
  LinkId link = 0;
  Lane lane = Lane::kControl;
};
// The last event of a link, dialled or accepted, after everything received over it.
struct LinkDown {
  LinkId link = 0;
  Lane lane = Lane::kControl;
  DownReason reason = DownReason::kClosed;
};
using TransportEvent = std::variant<Received, LinkUp, LinkDown>;

struct TransportStats {
  uint64_t messages_in = 0;
  uint64_t messages_out = 0;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  uint64_t sends_refused = 0;       // queue full, link gone or message too long
  uint64_t messages_rejected = 0;   // malformed, or over a link that was closed here
  uint64_t handshakes_refused = 0;  // strangers, as a listener saw them
};

struct Listen {
  std::string control_address;  // "host:port" as bound
  std::string bulk_address;
  std::string error;  // one sentence; empty on success
};

// Encrypted links to other nodes over ZeroMQ. For one thread and one poll loop: wait until
// poll_fd() is readable (level-triggered; it also becomes readable when a bounded drain left
// something), then drain(). libzmq moves the bytes and does the handshakes in a thread of its own;
// the loop answers its question whether a client key is admitted, so a loop that stands still for
// two seconds keeps newcomers out.
//
// One link is one TCP connection, used both ways by whoever dialled. Nothing is retried here: a
// link that fails or ends gives exactly one LinkDown and its number is never used again. To try
// again, dial again.
class Transport {
 public:
  // `keyring` must outlive the transport.
  explicit Transport(const Keyring& keyring);
  // Drops what is not sent yet.
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // Call once, before all else. Nothing on success, or a sentence.
  std::string open();

  // Binds the control lane to `port` and the bulk lane to `port` + 1, or both to ports of the
  // system's choice when `port` is 0. `host` is a numeric address. At most once.
  Listen listen(const std::string& host, uint16_t port);

  // Never blocks; `address` is numeric ("10.0.0.7:4242", "[::1]:4242"), since libzmq would resolve
  // names in the thread that serves all links. 0 when it is not, or when there are too many links.
  LinkId dial(const std::string& address, Lane lane);

  // Queues a copy. False when the link is not up (yet or any more), its queue is full or the
  // message is longer than its lane allows; the caller decides what that means.
  bool send(LinkId link, std::span<const uint8_t> bytes);

  // Drops what is queued; no event follows. Unknown links are ignored.
  void close(LinkId link);

  // Gives what was queued on all links up to `linger` to leave, then closes everything. Blocks that
  // long at most. Only the destructor may follow.
  void flush_and_close(Duration linger);

  // Valid after open(); stays the same.
  int poll_fd() const;

  // Appends what has happened, at most `messages_max` Received; the rest stays for the next call.
  // May be called at any time.
  void drain(std::vector<TransportEvent>& out, std::size_t messages_max);

  const TransportStats& stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Raises this process's soft limit of descriptors to the hard one (at most 65536). Returns the soft
// limit as it was, to be restored in children: some programs close every possible descriptor.
uint64_t raise_descriptor_limit();

}  // namespace dagz::mesh
