"""A network in user space: Ethernet frames between namespaces, each late by some time, some lost.

The kernel's own way to delay (netem) is often missing. Each host gets a TAP device, made inside its
namespace by a thread that enters it, so nothing of this is ever seen outside.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import itertools
import os
import pathlib
import random
import selectors
import struct
import threading
import time

CLONE_NEWNET = 0x4000_0000
TUNSETIFF = 0x4004_54CA
IFF_TAP_WITHOUT_HEADER = 0x0002 | 0x1000
FRAME_MAX = 65_536


def open_tap(namespace: str, device: str) -> int:
    """A new TAP device in the namespace; the descriptor is its other end."""
    opened: list[int | OSError] = []

    def enter_and_open() -> None:
        try:
            # Only this thread moves.
            with pathlib.Path("/run/netns", namespace).open() as place:
                if ctypes.CDLL(None, use_errno=True).setns(place.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"cannot enter the namespace {namespace}")
            tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TAP_WITHOUT_HEADER))
            opened.append(tap)
        except OSError as error:
            opened.append(error)

    thread = threading.Thread(target=enter_and_open)
    thread.start()
    thread.join()
    if isinstance(opened[0], OSError):
        raise opened[0]
    return opened[0]


class Switch:
    """Learns who is where, and passes frames on after `delay_s`, up to twice that."""

    def __init__(self, taps: list[int], delay_s: float, loss: float, seed: int):
        self.taps, self.delay_s, self.loss = taps, delay_s, loss
        self.rng = random.Random(seed)
        self.home: dict[bytes, int] = {}
        self.late: list[tuple[float, int, int, bytes]] = []
        self.order = itertools.count()
        self.carried = self.lost = 0
        self.stop_reader, self.stop_writer = os.pipe()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def close(self) -> None:
        os.close(self.stop_writer)
        self.thread.join()
        for descriptor in [*self.taps, self.stop_reader]:
            os.close(descriptor)

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self.stop_reader, selectors.EVENT_READ)
            for tap in self.taps:
                selector.register(tap, selectors.EVENT_READ)
            while True:
                wait = max(0.0, self.late[0][0] - time.monotonic()) if self.late else None
                for key, _ in selector.select(wait):
                    if key.fd == self.stop_reader:
                        return
                    self._take(key.fd)
                self._deliver()

    def _take(self, tap: int) -> None:
        try:
            frame = os.read(tap, FRAME_MAX)
        except OSError:  # its device is not up yet
            return
        receiver, sender = frame[0:6], frame[6:12]
        self.home[sender] = tap
        known = self.home.get(receiver)
        for other in [known] if known is not None else self.taps:
            if other == tap:
                continue
            if self.rng.random() < self.loss:
                self.lost += 1
                continue
            at = time.monotonic() + self.delay_s * (1 + self.rng.random())
            heapq.heappush(self.late, (at, next(self.order), other, frame))

    def _deliver(self) -> None:
        while self.late and self.late[0][0] <= time.monotonic():
            _, _, tap, frame = heapq.heappop(self.late)
            try:
                os.write(tap, frame)
                self.carried += 1
            except OSError:  # its device is gone or full: as on a wire
                self.lost += 1
