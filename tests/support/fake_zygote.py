"""A stand-in for pytest with dagz's driver, for tests of the side that talks to it.

Speaks the line protocol over the socket DAGZ_SOCKET. What a test does is in its id: pass, fail, segv,
exit7, orphan (leaves a process behind), garbage (writes into the socket), lie (reports another test),
late (fails to tear down, twice), flood (the same, 100 times), hang, close (closes its connection and
lives on), stop (asks for the end of the run), evade (is told without a result), parent (ends the zygote),
freeze (stops the zygote). In the mode "shared" workers collect the files, and each holds 1,100,000 tests; in
the mode "too many" the zygote collects one that does.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time

FILES = json.loads(sys.argv[1])  # [[path, [id, ...]], ...]
MODE = sys.argv[2] if len(sys.argv) > 2 else ""
if MODE == "fickle":
    FILES[0][1][0] += str(os.getpid())


class Link:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(os.environ["DAGZ_SOCKET"])
        self.lines = self.socket.makefile("rb")

    def say(self, kind, **fields):
        self.socket.sendall(json.dumps(dict(t=kind, **fields)).encode() + b"\n")

    def hear(self):
        line = self.lines.readline()
        if not line:
            os._exit(3)
        return json.loads(line)


def tell_too_many(link, f):
    for _ in range(11):
        link.say("file", f=f, path=FILES[f][0], ids=["x"] * 100_000, more=True)


def run_test(link, f, k=None, run=1):
    if k is None:
        return tell_too_many(link, f)
    what = FILES[f][1][k].split("::")[1]
    if what == "segv":
        print("about to crash", flush=True)
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "exit7":
        os._exit(7)
    if what == "orphan":
        child = subprocess.Popen(["sleep", "600"])
        print("orphan %d" % child.pid, flush=True)
        os._exit(0)
    if what == "garbage":
        link.socket.sendall(b"\x00\xff garbage\n")
    if what == "long":
        link.socket.sendall(b"x" * (2 << 20))
    if what in ("late", "flood"):
        link.say("done", f=f, k=k, o="passed")
        for _ in range(2 if what == "late" else 100):
            link.say("done", f=f, k=k, o="error", m="late")
        return time.sleep(600 if what == "flood" else 0)
    if what == "lie":
        k += 1
    if what == "close":
        link.socket.shutdown(socket.SHUT_RDWR)
    if what == "parent":
        os.kill(os.getppid(), signal.SIGKILL)
    if what == "freeze":
        os.kill(os.getppid(), signal.SIGSTOP)
        os._exit(1)
    if what in ("hang", "garbage", "long", "close", "parent"):
        time.sleep(600)
    if what == "stop":
        link.say("exit_requested", reason="enough")
    if what in ("stop", "evade"):
        return link.say("done", f=f, k=k, o="stopped")
    failed = {"m": "assert 0, run %d" % run, "x": "text \udc80"} if what == "fail" else {}
    link.say("done", f=f, k=k, o="failed" if failed else "passed", d=0.5, c=0.25, **failed)


def worker(order):
    os.setpgid(0, 0)
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.update(order["env"])
    print("worker", os.environ["PYTEST_XDIST_WORKER"], flush=True)
    link = Link()
    link.say("hello", v=1, role="worker", slot=order["slot"], pid=os.getpid())
    tickets = os.open(order["tickets"], os.O_RDONLY | os.O_NONBLOCK)
    told, draining = [], False
    while not draining:
        link.say("want")
        message = link.hear()
        while not message.get("tests") and message["t"] != "drain":
            message = link.hear()
        draining = message["t"] == "drain"
        told += message.get("tests", [])
        while True:
            try:
                number = int.from_bytes(os.read(tickets, 4), "little")
            except BlockingIOError:
                break
            while number >= len(told):
                told += link.hear().get("tests", [])
            run_test(link, *told[number])
    link.say("bye")


def tell_catalog(link):
    if MODE == "shared":
        link.say("found", files=[[path, 1] for path, _ in FILES])
        link.say("collected", files=len(FILES), tests=0, threads=1, shared=True)
        return
    if MODE == "too many":
        tell_too_many(link, 0)
    tests = 0
    for f, (path, ids) in enumerate(FILES):
        tests += len(ids)
        half = len(ids) // 2
        if half:
            link.say("file", f=f, path=path, ids=ids[:half], groups={"g": [0]}, more=True)
        link.say("file", f=f, path=path, ids=ids[half:], groups={"g": [len(ids) - 1]})
    link.say("collected", files=len(FILES), tests=tests + (MODE == "miscount"), maxfail=2, threads=1)


def zygote():
    print("collecting", flush=True)
    link = Link()
    link.say("hello", v=1, role="zygote", pid=os.getpid(), python="3", pytest="fake", rootdir=os.getcwd())
    if MODE == "usage":
        print("ERROR: no such test")
        sys.exit(4)
    if MODE == "collects for ever":
        link.say("collecting", text="tests/slow.py")
        time.sleep(600)
    tell_catalog(link)
    children = {}
    while True:
        ready, _, _ = select.select([link.socket], [], [], 0.01)
        for pid in list(children):
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                _, status = os.waitpid(pid, 0)
                link.say("exit", slot=children.pop(pid), pid=pid, status=status)
        if not ready:
            continue
        message = link.hear()
        if message["t"] == "finish":
            break
        pid = os.fork()
        if pid == 0:
            link.socket.close()
            worker(message)
            os._exit(0)
        children[pid] = message["slot"]
        link.say("forked", slot=message["slot"], pid=pid)
        if MODE == "die":
            sys.exit(9)
    print("summary of %d failed" % len(message["failed"]), flush=True)
    if MODE == "linger":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    link.say("finished", status=1 if message["failed"] else 0)


zygote()
