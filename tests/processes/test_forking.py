"""A child that is forked is like one that was started on its code."""

import os
import signal

import pytest

AS_STARTED = """
import json
say(json.dumps([sys.argv[1:], os.environ.get("GIVEN"), os.getcwd(), __name__, os.getppid()]))
say(threading.active_count(), len(os.listdir("/dev/fd")))
say(hear())
"""


def test_it_has_its_own_arguments_environment_directory_and_pipes(start, tmp_path, monkeypatch):
    monkeypatch.setenv("GIVEN", "é")
    monkeypatch.chdir(tmp_path)
    child = start(AS_STARTED, "a b", 2)
    child.tell("told")
    given, counted, told = child.finish()
    assert '["a b", "2"], "\\u00e9", "' + str(tmp_path) + '", "__main__"' in given
    assert counted == "1 4", "one thread; the pipes, and what lists them"
    assert told == "told"


@pytest.mark.parametrize(
    ("code", "ended", "said"),
    [
        ("sys.exit(3)", 3, ""),
        ("os._exit(4)", 4, ""),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, ""),
        ("raise KeyError(path)", 1, "KeyError: "),
        ("import atexit; atexit.register(say, 'at the end'); sys.exit('why')", 1, "why"),
    ],
)
def test_its_end_is_told(start, path, code, ended, said):
    child = start(code, path)
    assert child.rest() == (["at the end"] if "atexit" in code else [])
    assert child.process.returncode == ended
    assert said in child.errors


def test_it_keeps_its_number_until_somebody_waits_for_it(start, path):
    child = start("say(os.getpid()); hear()", path)
    assert child.hear() == str(child.process.pid)
    assert child.process.poll() is None
    child.process.send_signal(signal.SIGTERM)
    child.process.stdout.read()
    os.kill(child.process.pid, 0)
    assert child.process.wait() == -signal.SIGTERM
    child.close()
    assert child.process.stdin.closed
    assert child.process.stdout.closed
    with pytest.raises(ProcessLookupError):
        os.kill(child.process.pid, 0)
