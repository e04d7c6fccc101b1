"""A dashboard that is served by the shipped binary, as a browser sees it."""

import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

from job import BINARY, PATIENCE


class Dashboard:
    """A running `dagz serve` for one job key and one history."""

    def __init__(self, key, state, suite, environment, *options, prefix=()):
        self.process = subprocess.Popen(
            [*prefix, BINARY, "serve", "--job", key, "--state-dir", str(state), "--no-beacon",
             "--listen", "127.0.0.1:0", *options],
            cwd=suite, env=environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        line = self.process.stdout.readline()
        self.line = line
        match = re.search(r"127\.0\.0\.1:(\d+)", line)
        assert match, (line, self.process.communicate(timeout=PATIENCE)[1])
        self.port = int(match[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def get(self, path, status=200, **headers):
        request = urllib.request.Request(self.url + path, headers=headers)
        try:
            answer = urllib.request.urlopen(request, timeout=PATIENCE)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            assert answer.status == status
            return answer.read().decode()

    def wait_for(self, path, pattern):
        """The page once this is on it."""
        give_up = time.monotonic() + PATIENCE
        while True:
            page = self.get(path)
            if re.search(pattern, page):
                return page
            assert time.monotonic() < give_up, page
            time.sleep(0.1)

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, output, errors

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()
