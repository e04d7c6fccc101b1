#pragma once

#include "mesh/time.hpp"

// Every number of the mesh, with its reason. The defaults suit 2 to 500 nodes on a LAN or in a
// cloud.

namespace dagz::mesh {

struct Config {
  // Long enough for simultaneous starters to meet (they see each other within 50 ms), short against
  // the start of an interpreter. Longer where addresses come from slow sources only.
  Duration settle = Duration::milliseconds(250);
  // A node that knows of others, or has dialled somebody who has not refused, but has heard
  // nobody's view yet looks again after this instead of claiming; never longer than the patience
  // below.
  Duration glance_every = Duration::milliseconds(50);
  // How much longer the others wait for the eldest to claim before somebody else does.
  Duration claim_patience = Duration::seconds(1);
  // The scheduler repeats its claim to everybody: a lost announcement is repaired, a merged mesh
  // hears of it.
  Duration announce_every = Duration::seconds(1);
  // A claim not repeated for so long is vacant although its claimant lives: it stepped down for
  // somebody of whom this node never heard. Five announcements are not lost by chance.
  Duration claim_lapses_after = Duration::seconds(5);

  // SWIM: one probe a period, answered within the timeout or asked for through three others.
  Duration probe_every = Duration::milliseconds(500);
  Duration probe_timeout = Duration::milliseconds(200);
  uint32_t indirect_probes = 3;
  // Pause guard: when this node's own loop was so late, it accuses nobody for what it did not hear.
  Duration stall_min = Duration::milliseconds(300);
  // A scheduler that stood still for so long may have been replaced: it decides nothing until the
  // others had time to tell.
  Duration stall_long = Duration::seconds(1);
  Duration hold_after_stall = Duration::seconds(1);
  // Lifeguard: shrinks from max to min with independent accusers. The minimum outlasts the stalls
  // that CPU quotas cause (up to 0.8 s measured) and a refutation's way back.
  Duration suspicion_min = Duration::seconds(2);
  Duration suspicion_max = Duration::seconds(6);
  uint32_t suspicion_confirmations = 3;

  // Rumours: fast while the view is young or moving, then slow. Each is sent
  // multiplier * ceil(log2(members + 1)) times.
  Duration gossip_fast_every = Duration::milliseconds(50);
  Duration gossip_slow_every = Duration::milliseconds(200);
  Duration gossip_fast_for = Duration::seconds(1);
  uint32_t gossip_fanout = 3;
  uint32_t gossip_multiplier = 4;
  uint32_t gossip_batch_max = 64;
  // Profiles of newcomers are four times as long as rumours, and most meet the member itself.
  uint32_t newcomer_multiplier = 2;
  uint32_t newcomer_batch_max = 32;

  // A digest of view and logs goes to a random member: often while young, then each second. Where
  // two differ in their views they exchange them, each at most this often and less in a large mesh.
  Duration digest_young_every = Duration::milliseconds(250);
  Duration digest_every = Duration::seconds(1);
  Duration view_every = Duration::milliseconds(250);
  Duration young_for = Duration::seconds(3);
  // Whoever closed the job stays for a few seconds only: what it says must not be lost by chance.
  Duration remind_of_end_every = Duration::milliseconds(250);

  // Up to so many members each has a link to every other. Links cost a handshake of about a
  // millisecond on either side, and heartbeats: with more, each node keeps about ten.
  uint32_t full_mesh_max = 16;
  // Links follow the view once it rests for so long, and now and then while it does not: each
  // newcomer to a growing mesh changes somebody's neighbours.
  Duration weave_after = Duration::milliseconds(50);
  Duration weave_within = Duration::milliseconds(500);
  // Addresses of nobody that is known: so many are dialled at once, then one each time, and more
  // slowly once as many links are up, for whoever answers tells of most of the others.
  uint32_t strangers_at_once = 3;
  Duration stranger_every = Duration::milliseconds(100);
  Duration stranger_slow_every = Duration::seconds(1);

  // Dials of one address: doubling from min to max.
  Duration dial_retry_min = Duration::milliseconds(50);
  Duration dial_retry_max = Duration::milliseconds(1600);
  // The first redial of a link that broke: a process that is gone refuses it, and is known to be
  // gone within a round trip instead of seconds.
  Duration redial_after = Duration::milliseconds(5);
  // A member without a link for so long is spoken to through others.
  Duration relay_after = Duration::seconds(1);
  // A neighbour that has been known for so long, and whose address refuses, has been probed through
  // others by then: if nothing was heard of it, it is suspected at once.
  Duration unheard_after = Duration::seconds(5);
  // Data of that size wants a bulk link of its own; less goes over the control link.
  uint32_t bulk_message_min = 16 * 1024;
  // A link that has not said hello by then is given up.
  Duration handshake_within = Duration::seconds(3);
  // A hello is said again after this, then after twice as long each time: what is lost is a rare
  // fault, what is late because all processes are busy starting must not become more.
  Duration hello_again = Duration::milliseconds(500);

  // Logs: a batch waits this long for company.
  Duration log_flush_every = Duration::milliseconds(100);
};

}  // namespace dagz::mesh
