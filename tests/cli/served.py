"""The command as a process that serves: started, heard, asked and ended."""

import http.client
import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

PATIENCE_SECONDS = 60
"""Not a measure of anything: a server that hangs must fail the test and not stop the suite."""


class Served:
    """One process; what it prints on both of its outputs is heard line by line."""

    def __init__(self, *arguments, env=None):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "headwater.cli", *map(str, arguments), "--port", "0"],
            env=os.environ | {"PYTHONUNBUFFERED": "1", "COLUMNS": "200"} | (env or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines = []
        self._alarm = threading.Timer(PATIENCE_SECONDS, self.process.kill)
        self._alarm.daemon = True
        self._alarm.start()

    def hear(self, pattern):
        """The match of the next line that has something."""
        for line in self.process.stdout:
            self.lines.append(line)
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f"{pattern!r} was not said:\n{''.join(self.lines)}")

    def begin(self):
        """Wait until it serves."""
        self.port = int(self.hear(r"is served at http://[\d.]+:(\d+)$")[1])
        return self

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)

    def call(self, path, arguments=None, *, kind="query", over=None):
        """Call a function over HTTP; gives the value."""
        code, answer = self.ask(
            f"/api/{kind}", {"path": path, "args": arguments or {}, "format": "json"}, over=over
        )
        assert (code, answer.get("status")) == (200, "success"), answer
        return answer["value"]

    def get(self, path, **headers):
        """Get a page; gives the status and the text."""
        connection = self.connect()
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def ask(self, path, body, *, over=None, **headers):
        """Send a body of JSON; gives the status, and what came back."""
        connection = over or self.connect()
        try:
            headers["content-type"] = "application/json"
            connection.request("POST", path, json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read()
            is_json = "json" in response.headers.get("content-type", "")
            return response.status, json.loads(text) if is_json else text.decode()
        finally:
            if over is None:
                connection.close()

    def end(self, number=signal.SIGTERM):
        """Send a signal, and wait for the end: the code, and what was said since."""
        self.process.send_signal(number)
        return self.rest()

    def rest(self):
        said = self.process.stdout.read()
        self.lines.append(said)
        return self.process.wait(), said

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self._alarm.cancel()


@contextmanager
def started(*arguments, env=None):
    served = Served(*arguments, env=env)
    try:
        yield served
    finally:
        served.close()


@contextmanager
def serving(*arguments, env=None):
    with started(*arguments, env=env) as served:
        yield served.begin()


def wait_for_end_of(pid):
    """Wait until a process that is no child has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], PATIENCE_SECONDS)[0], f"{pid} goes on"
    finally:
        os.close(descriptor)
