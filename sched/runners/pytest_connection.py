"""The driver's end of a connection to the agent: JSON, one message per line. PYTEST_DONT_REWRITE

It is written beside dagz_pytest_driver.py as dagz_pytest_connection.py.
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
