"""What a test leaves behind in its worker: processes, threads, open descriptors. PYTEST_DONT_REWRITE

It is written beside dagz_pytest_driver.py as dagz_pytest_leaks.py.
"""

import os
import threading
import time

NAMED_MAX = 5  # processes, threads
NAME_MAX = 80  # characters
EXEC_WAITS_MAX = 50  # milliseconds


def _children():
    """The pids of all children of this process, whichever thread has started them."""
    found = set()
    for task in os.listdir("/proc/self/task"):
        try:
            with open("/proc/self/task/%s/children" % task) as file:
                found.update(map(int, file.read().split()))
        except OSError:  # the thread has ended
            pass
    return found


def _read(pid, name):
    try:
        with open("/proc/%d/%s" % (pid, name), "rb") as file:
            return file.read()
    except OSError:
        return b""


def _has_ended(pid):
    return _read(pid, "stat").rpartition(b")")[2].split()[:1] in ([], [b"Z"])


def _command(pid, sleep=time.sleep):
    """What the process runs; nothing if it has ended and only was not waited for."""
    for _ in range(EXEC_WAITS_MAX):
        text = _read(pid, "cmdline").rstrip(b"\0").replace(b"\0", b" ")
        if text or _has_ended(pid):
            break
        sleep(0.001)  # an exec lets its caller go on before there are arguments to be seen
    else:
        text = _read(pid, "comm").strip()
    return text.decode("utf-8", "replace")[:NAME_MAX]


def _counted(count, what, names):
    text = "%d %s%s" % (count, what, "" if count == 1 else "es" if what.endswith("s") else "s")
    names = [name for name in names if name]
    if names:
        more = ", ..." if len(names) > NAMED_MAX else ""
        text += " (%s%s)" % (", ".join(names[:NAMED_MAX]), more)
    return text


class Leaks:
    """Compares what there is with what there was. Where nothing was left that costs two system calls."""

    def __init__(self):
        # Kept here, where functions that tests replace are not looked for.
        self._stat = os.stat
        self._wait = getattr(os, "waitid", None)
        self._count = threading.active_count
        self._enumerate = threading.enumerate
        self.children = set()
        self.threads = ()
        self.files = self.active = 0
        self.forgive()

    def _any_child(self):
        """Without a look at any of them."""
        try:
            self._wait(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        return True

    def _open_files(self):
        return self._stat("/proc/self/fd").st_size  # nought before Linux 6.2: then they are not counted

    def forgive(self):
        """What is there now belongs to nobody: a fixture of wider scope may have started it."""
        try:
            self.files = self._open_files()
            self.active = self._count()
            self.threads = self._enumerate()
            self.children = _children() if self._any_child() else set()
        except Exception:
            pass

    def since(self):
        """What was left since this or `forgive` was called last, in words; usually nothing."""
        try:
            files, active = self._open_files(), self._count()
            if files == self.files and active == self.active and not self.children and not self._any_child():
                return ""
            return self._tell(files, active)
        except Exception:  # a test has taken /proc away, or its own names
            return ""

    def _tell(self, files, active):
        parts = []
        children = _children()
        commands = [(pid, _command(pid)) for pid in children - self.children]
        names = ["%s, pid %d" % (command, pid) for pid, command in commands if command]
        if names:
            parts.append(_counted(len(names), "process", names))
        threads = self._enumerate()
        new = [thread.name for thread in threads if thread not in self.threads]
        if active > self.active and new:
            parts.append(_counted(len(new), "thread", new))
        if files > self.files:
            parts.append(_counted(files - self.files, "open file", ()))
        self.children, self.threads, self.files, self.active = children, threads, files, active
        return "left behind: " + " ".join("; ".join(parts).split()) if parts else ""
