"""What a process of the driver has to do with its surroundings: names in the environment, output, threads.
PYTEST_DONT_REWRITE

It is written beside dagz_pytest_driver.py as dagz_pytest_process.py.
"""

import atexit
import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import sys
import tempfile
import weakref

FIRST_HIDDEN_FD = 200  # where tests that count or close descriptors seldom look


def span_of(node, nodeid, run):
    """Names one run of one test, for DAGZ_SPAN. Whoever has the job's logs can say which: `node` is the
    node's short id, `run` counts from 1 how often this node has run the test."""
    name = "%s\0%s\0%d" % (node, nodeid, run)
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def forget_exit_functions():
    """In a forked process: what its parent has registered is the parent's to run, once."""
    try:
        atexit._clear()
        for info in weakref.finalize._registry.values():
            info.atexit = False
        weakref.finalize._registered_with_atexit = False
    except AttributeError:  # another Python than CPython
        pass


def forget_cleanups(config):
    """The same for what was given to pytest's Config.add_cleanup."""
    if hasattr(config, "_cleanup_stack"):
        config._cleanup_stack = contextlib.ExitStack()
    else:  # of an older pytest
        config._cleanup = []


def run_cleanups(config):
    """What was added to it since then."""
    if hasattr(config, "_cleanup_stack"):
        config._cleanup_stack.close()
        return
    while config._cleanup:
        config._cleanup.pop()()


def run_exit_functions():
    """As at the end of any Python: the worker leaves by a way that does not come by there."""
    run = getattr(atexit, "_run_exitfuncs", None)
    if run is not None:
        run()


def load_libc():
    """None where there is none to be had."""
    try:
        import ctypes

        return ctypes.CDLL(None)
    except (ImportError, OSError):
        return None


def die_with(parent, libc=None):
    """This process ends when its parent does; at once if that has happened already."""
    libc = libc or load_libc()
    if libc is not None and sys.platform == "linux":
        libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(3)


def own_basetemp(config):
    """Where --basetemp names a directory, pytest empties it. Another node of the job may have been told the
    same one: each has a directory in it, locked for as long as the node lives, and removes what nobody uses."""
    factory = getattr(config, "_tmp_path_factory", None)
    base, node = getattr(factory, "_given_basetemp", None), os.environ.get("DAGZ_NODE")
    if base is None or not node or factory._basetemp is not None:
        return
    base.mkdir(mode=0o700, exist_ok=True)
    fd = os.open(base, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _locks(fd, fcntl.LOCK_EX)
        for entry in list(base.iterdir()):
            if not entry.is_dir() or entry.is_symlink():
                entry.unlink()
            elif not _is_used(entry):
                shutil.rmtree(entry, ignore_errors=True)
        factory._given_basetemp = base / node
        _locks(os.open(factory.getbasetemp(), os.O_RDONLY | os.O_CLOEXEC), fcntl.LOCK_SH)
    finally:
        os.close(fd)


def _locks(fd, how):
    """Whether the lock is held now; some network file systems have none for directories."""
    try:
        fcntl.flock(fd, how)
    except OSError:
        return False
    return True


def _is_used(folder):
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _locks(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(fd)


def flush(stream):
    try:
        stream.flush()
    except Exception:  # closed, absent or replaced by something else
        pass


def redirect(config, log):
    """Points all output at the log and takes the standard input away. The capture begins afresh."""
    capture = config.pluginmanager.getplugin("capturemanager")
    streams = capture and capture._global_capturing
    if streams:
        capture.suspend_global_capture(in_=True)
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    if streams:
        for part in (streams.in_, streams.out, streams.err):
            _begin_afresh(part)
        capture.resume_global_capture()
        capture.suspend_global_capture()
    _offer_stacks(fd)
    for spare in (null, fd):
        if spare > 2:
            os.close(spare)
    for stream in (sys.__stdout__, sys.__stderr__):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True)  # a crash must not take lines along
    _redirect_faulthandler(config)


def _begin_afresh(part):
    """Of a suspended capture, one stream. Its temporary file came with the fork and shares its offset with all other
    workers', so another one is put in its place; but the object stays: modules may have bound sys.stdout when they
    were imported."""
    if part is None:
        return
    if hasattr(part, "targetfd_save"):
        os.dup2(part.targetfd, part.targetfd_save, inheritable=False)
        if part.targetfd != 0:
            with tempfile.TemporaryFile(buffering=0) as own:
                os.dup2(own.fileno(), part.tmpfile.fileno(), inheritable=False)
    elif hasattr(part.tmpfile, "getvalue"):
        part.tmpfile.seek(0)
        part.tmpfile.truncate()


class Uncaptured:
    """What a test writes past pytest's capture, with -s or into a descriptor: it goes to the worker's log."""

    def __init__(self, config, log):
        # Kept here, where functions that tests replace are not looked for.
        self._stat = os.fstat
        self._pread = os.pread
        self._fd = None
        self._start = 0
        capture = config.pluginmanager.getplugin("capturemanager")
        if log is None or getattr(capture, "_method", "no") not in ("no", "sys"):
            return
        fd = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
        self._fd = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST_HIDDEN_FD)
        os.close(fd)

    def _size(self):
        flush(sys.stdout)
        flush(sys.stderr)
        return self._stat(self._fd).st_size

    def begin(self):
        """What is there now belongs to nobody."""
        if self._fd is not None:
            try:
                self._start = self._size()
            except OSError:  # a test has closed all that is open
                self._fd = None

    def since(self, most):
        """Head and tail of what came since then, in so many bytes."""
        if self._fd is None:
            return ""
        try:
            count = self._size() - self._start
            if count <= most:
                return self._read(self._start, count)
            head, tail = most // 4, most - most // 4
            end = self._start + count
            left_out = "\n[... %d bytes cut ...]\n" % (count - most)
            return self._read(self._start, head) + left_out + self._read(end - tail, tail)
        except OSError:
            return ""

    def _read(self, offset, count):
        return self._pread(self._fd, max(count, 0), offset).decode("utf-8", "replace")


def _offer_stacks(log):
    """The agent asks a hung worker by SIGRTMAX for the stacks of all its threads. They are written by a
    C handler, which needs neither the interpreter's lock nor the descriptors that tests can close."""
    try:
        import faulthandler

        own = fcntl.fcntl(log, fcntl.F_DUPFD_CLOEXEC, FIRST_HIDDEN_FD)
        faulthandler.register(signal.SIGRTMAX, file=own, all_threads=True, chain=False)
    except (ImportError, AttributeError, OSError, ValueError):
        pass


def _redirect_faulthandler(config):
    """pytest's faulthandler writes to a copy of the first standard error: make that the log, too."""
    try:
        import _pytest.faulthandler as plugin

        for name in ("fault_handler_stderr_fd_key", "fault_handler_stderr_key"):
            target = config.stash.get(getattr(plugin, name, None), None)
            if target is not None:
                os.dup2(2, target if isinstance(target, int) else target.fileno())
    except (ImportError, AttributeError, OSError, ValueError):
        pass
