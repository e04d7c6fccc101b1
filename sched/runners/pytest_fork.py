"""What makes a fork of the process that has collected unsafe. PYTEST_DONT_REWRITE

It is written beside dagz_pytest_driver.py as dagz_pytest_fork.py.
"""

import fcntl
import os
import socket
import stat
import threading

NAMED_MAX = 5  # threads, connections, files
SQLITE_MAGIC = b"SQLite format 3\0"

# Threads of these hold nothing that a test could wait for.
_HARMLESS_THREADS = ("pytest_rerunfailures",)


def other_threads():
    """How many threads a fork would lose, those that Python does not know included."""
    try:
        tasks = len(os.listdir("/proc/self/task"))
    except OSError:
        tasks = 0
    return max(tasks, threading.active_count()) - 1


def why_not_fork(own):
    """What makes a fork of this process unsafe, for people; None if nothing does. `own` are descriptors of ours."""
    connections, databases = shared_descriptors(own)
    for names, one, many, fate in (
        (_threads(), "thread", "threads", "survive"),
        (connections, "connection", "connections", "stand"),
        (databases, "database file", "database files", "stand"),
    ):
        if names:
            shown = ", ".join(names[:NAMED_MAX]) + (", ..." if len(names) > NAMED_MAX else "")
            return "%d %s (%s), %s by a conftest, a plug-in or an import, would not %s a fork" % (
                len(names), one if len(names) == 1 else many, shown,
                "started" if fate == "survive" else "opened", fate,
            )  # fmt: skip
    return None


def _threads():
    """Python's own: each may hold a lock that nobody will release in the forked process. Those of libraries like
    BLAS know how to live with a fork."""
    return [
        thread.name
        for thread in threading.enumerate()
        if thread is not threading.main_thread()
        and getattr(getattr(thread, "_target", None), "__module__", None) not in _HARMLESS_THREADS
    ]


def shared_descriptors(own):
    """Connections to other processes, and database files that are open for writing: all forked processes would
    talk on one connection, and SQLite forbids to carry a database across a fork. As names for people. What this
    process has inherited is no affair of the suite: it lacks the mark with which Python and libraries open."""
    connections, databases, ends = [], [], set()
    try:
        descriptors = sorted(int(name) for name in os.listdir("/proc/self/fd"))
    except OSError:
        return [], []
    for fd in descriptors:
        try:
            if fd in own or not fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC:
                continue
            mode = os.fstat(fd).st_mode
            if stat.S_ISSOCK(mode):
                with socket.socket(fileno=fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 0)) as sock:
                    ends.add(sock.getsockname())
                    peer = sock.getpeername() if sock.type == socket.SOCK_STREAM else None
                if peer:  # the ends of a pair within one host may have no names
                    connections.append(peer)
            elif stat.S_ISREG(mode) and _is_open_database(fd):
                databases.append(os.path.basename(os.readlink("/proc/self/fd/%d" % fd)))
        except OSError:  # closed since then, not connected, not to be read
            pass
    return [_named(peer) for peer in connections if peer not in ends], databases


def _is_open_database(fd):
    writes = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
    return writes and os.pread(fd, len(SQLITE_MAGIC), 0) == SQLITE_MAGIC


def _named(peer):
    if isinstance(peer, tuple):
        return "%s:%d" % peer[:2]
    return os.fsdecode(peer).replace("\0", "@")
