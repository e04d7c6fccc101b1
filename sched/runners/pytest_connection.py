"""The driver's end of a connection to the agent: JSON, one message per line. PYTEST_DONT_REWRITE

It is written beside dagz_pytest_driver.py as dagz_pytest_connection.py.

The line protocol, version 1
============================
One JSON object per line, ASCII (everything else is escaped, so a lone surrogate in a test id travels as
its \\udXXX escape and comes out as it went in). Each process has its own connection. Tests are named
[f, k]: the number of their file and their index within it. Fields marked ? may be absent; unknown fields
are ignored.

Zygote to agent
  hello      v, role "zygote", pid, python, pytest, rootdir, notes?: [text]   as pytest is configured;
             arguments?: {all: [word], options: [word], to_root: "../"}   its command line, what of it names no tests,
             and the way from where it was started to rootdir
  collecting  text       begins with this file or directory, to collect it or to walk over it
  found      files: [[path, bytes]]     only where workers collect: the files, numbered from 0 in this order,
             in as many messages as it takes
  file       f, path, ids: [id], groups?: {name: [k]}, needs?: [{exclusive, weight, mutex, k: [k]}], more?: true
             one per file, f ascending from 0 in order of first appearance; path is the id up to "::".
             More than 512 KiB: several messages with the same f, "more" on all but the last. Each holds the
             groups (of xdist_group marks) and needs (of dagz marks) of its own tests.
  collected  files, tests, skipped, seconds, maxfail, threads, replay, errors: [{path, text}],
             shared?, why?, notes?: [text]
             errors: at most 10,000, those of a file that say the same as one;
             skipped: collectors that skipped themselves; maxfail: the user's own, 0 = none; threads: how
             many beside the main one; shared: workers collect; why: this way and not the other; replay:
             whether reports flow back to plug-ins of the zygote
  forked     slot, pid                   or spawned, where a fork is unsafe
  exit       slot, pid, status, text?    raw wait status; pid 0 with text: the fork itself failed
  finished   status                      pytest's exit status, as late as possible
  exit_requested  reason                 pytest.exit() outside of tests
  failed     text                        the driver itself broke; pytest goes on to its own error handling
Agent to zygote
  job        name                        what the job is called on all nodes, once that is known
  fork       slot, number, log, tickets, env: {name: text}     answered by forked or by exit
  finish     failed?: [id], unfinished?: [id], tests?, ran?, job?, began?, elsewhere?    of the whole job; all
             workers are gone; ran false: only the catalog was wanted, the session ends as with
             --collect-only; job: its name, began: when, in seconds of Unix time; elsewhere: how many of
             its tests did not run on this node
  End of file: the workers' process groups are killed, exit status 3.

Worker to agent
  hello      v, role "worker", slot, pid
  want       there is no ticket for me. Once at the start, in any case, and then at most once per test, before its
             tear-down, so that fixtures of wider scope survive if the next test comes as the answer.
             The test waits for the answer: give it at once.
  done       f, k, o, d, s?, g?, c?, m?, x?, p?     after tear-down, in one write
             o: passed failed error skipped xfailed xpassed, or stopped (after exit_requested: no result);
             d: seconds, without waiting for the agent;
             s: of these the set-up of fixtures that outlive the test, g: of these all but the session's;
             c: CPU seconds with reaped children; m: one line, with what was left behind; x: text
             of a failure with captured output, 64 KiB of head and tail; p: [[name, value], ...] that the test
             recorded (user_properties), [name, value, "testsuite"] what it did of the suite; 64 and 48 KiB at the most
  file       as above; a file that the worker was told to collect, if it holds tests
  filed      f, seconds, errors: [{path, text}]     the file is collected
  missing    f, k        the file holds no test of this name: it will not run here
  exit_requested  reason, status       pytest.exit(), Ctrl-C or session.shouldstop (status 2), or session.shouldfail (1)
             in a test; its done and bye follow
  cancelled       the test was interrupted by SIGINT, everything is torn down; bye follows
  bye             everything is torn down, the process ends with status 0
Agent to worker
  run        tests: [[f, k, n?], ...]    appended to the queue; they count from 0. n, if not 1: this is the test's n-th
             run on this node (see span_of). An empty list as answer to "want": nothing now; the worker
             tears down all but the session, says done, and waits without another want until it has
             run something.
             Where workers collect: [f] collect this file and tell its tests; [f, -1] collect it, they are
             known; [m, k, n, f, id] run the test of this id of file f, and call it [m, k].
  drain      finish the queue, tear down, bye
  cancel     SIGINT follows: leave the running test without a result, tear down, bye
  End of file: exit status 3 after the current test.

`tickets` is a named pipe with a ticket, 4 little-endian bytes, for each test of the queue that may still be
begun: its number. The worker draws the next one when it has to know what comes next, which is before it
tears the last test down, and passes over what lies between. The agent writes them before the message, and
takes back what it finds in the pipe: those tests will not run here, unless they are sent again.

Beside the socket two files say what no connection does: SOCKET.taken, by the agent, that the catalog is told and
any further pytest of the command is an ordinary one; SOCKET.text, by a pytest that only shows something.

Between worker and zygote a socket pair carries warnings, of tests and of files that nobody has collected
before, word of such files that skip themselves, what is recorded of the suite, and finished tests' reports when a plug-in in
the zygote wants them: all, with word of each start, or only those that bear the mark of such a plug-in.
Each frame is 4 bytes of length, then marshal, which keeps tuples as report consumers expect them.
"""

import json
import select
import socket
import time


class Connection:
    """A stream of JSON lines. Bound methods are kept, so a test that patches `socket` changes nothing."""

    def __init__(self, path):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(None)
        sock.connect(path)
        self.sock = sock
        self.send_bytes = sock.sendall
        self._recv = sock.recv
        self._dumps = json.JSONEncoder().encode
        self._loads = json.JSONDecoder().decode
        self._rest = b""
        self.early = []  # came before somebody asked for them

    def wait_for(self, kind, seconds):
        """The next message of this kind; None if it does not come in time. All others are kept."""
        deadline = time.monotonic() + seconds
        while select.select([self.sock], [], [], max(0.0, deadline - time.monotonic()))[0]:
            messages = self.receive(block=True, early=False)
            if messages is None:
                return None
            found = [message for message in messages if message["t"] == kind]
            self.early += [message for message in messages if message["t"] != kind]
            if found:
                return found[-1]
        return None

    def send(self, kind, **fields):
        self.send_bytes(self._dumps(dict(t=kind, **fields)).encode("ascii") + b"\n")

    def receive(self, block, early=True):
        """Returns the messages that have come, None at the end of the stream."""
        if early and self.early:
            messages, self.early = self.early, []
            return messages
        try:
            data = self._recv(1 << 16, 0 if block else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return ()
        except OSError:
            return None
        if not data:
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [self._loads(line.decode("utf-8")) for line in lines if line]
