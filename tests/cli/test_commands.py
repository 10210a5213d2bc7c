"""The command ``headwater``, as a shell calls it."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

import headwater as hw
from headwater.cli import main
from headwater.cli.commands import application


@pytest.fixture
def notes(tmp_path):
    """A database with a note of two versions: its path, and the note."""
    path = tmp_path / "notes.hw"
    with hw.open(path) as db, hw.origin(identity="ada"):
        note = db.transact(lambda tx: tx.insert("notes", {"text": "a", "size": hw.Int64(1)}))
        db.transact(lambda tx: tx.patch(note, text="b"))
    return path, note


def call(*arguments):
    """Exit code and output of a command."""
    result = CliRunner().invoke(application, [str(argument) for argument in arguments])
    if isinstance(result.exception, hw.HeadwaterError):
        return 1, str(result.exception)
    return result.exit_code, result.output


def damage(path):
    """Flip a bit in each record of the log, in old copies of its pages too."""
    data = path / "data.mdb"
    data.write_bytes(data.read_bytes().replace(b"identity", b"ideotity"))


def test_a_sound_database_is_verified(notes):
    path, _ = notes
    assert call("verify", path) == (0, "nothing is wrong\n")
    assert call("verify", path, "--json") == (0, "[]\n")


def test_damage_is_shown_with_advice_and_repaired(notes):
    path, note = notes
    damage(path)
    code, output = call("verify", path)
    assert code == 1
    assert "commit_damaged: " in output
    assert "-> restore a backup" in output
    code, output = call("verify", path, "--json")
    assert code == 1
    assert {"kind", "message", "advice"} <= set(json.loads(output)[0])
    code, output = call("repair", path)
    assert "the damaged files are in" in output
    assert call("verify", path)[0] == 0
    with hw.open(path) as db:
        assert db.get(note)["text"] == "b"


def test_a_sound_database_is_not_repaired(notes):
    path, _ = notes
    assert call("repair", path) == (0, "nothing is wrong, and nothing was done\n")
    code, output = call("repair", path, "--json")
    assert (code, json.loads(output)["kept"]) == (0, None)


def test_a_history_shows_who_changed_what(notes):
    path, note = notes
    code, output = call("history", path, note)
    assert code == 0
    assert "by ada\n" in output
    assert "text: 'a' -> 'b'" in output
    lines = [json.loads(line) for line in call("history", path, note, "--json")[1].splitlines()]
    assert [line["document"]["text"] for line in lines] == ["b", "a"]
    assert lines[0]["document"]["size"] == {"$integer": "AQAAAAAAAAA="}


def test_a_history_of_nothing_is_refused(notes):
    path, note = notes
    other = ("0" if note[5] != "0" else "1").join([note[:5], note[6:]])
    assert call("history", path, other)[0] == 1
    assert "is no id" in call("history", path, "nonsense")[1]


def test_the_log_is_shown_oldest_first(notes):
    path, note = notes
    lines = call("log", path)[1].splitlines()
    assert [line.split()[0] for line in lines if line.startswith(" ")] == ["insert", "update"]
    entries = [json.loads(line) for line in call("log", path, "--json")[1].splitlines()]
    assert [entry["changes"][0]["after"]["text"] for entry in entries] == ["a", "b"]
    after = call("log", path, "--json", "--after", entries[0]["ts"])[1]
    assert [json.loads(line)["ts"] for line in after.splitlines()] == [entries[1]["ts"]]
    assert call("log", path, "--table", "others") == (0, "")
    assert len(call("log", path, "--follow", "--limit", "2")[1].splitlines()) == 4
    del note


def test_a_trimmed_history_says_where_it_begins(notes):
    path, note = notes
    code, output = call("trim", path, "--before", "2200-01-01")
    assert code == 0
    assert "1 version and 1 commit forgotten" in output
    assert "older versions were trimmed" in call("history", path, note)[1]
    code, output = call("trim", path, "--before", "0s", "--json")
    assert (code, json.loads(output)["versions"]) == (0, 0)


def test_space_is_given_back(notes):
    path, _ = notes
    assert " -> " in call("compact", path)[1]
    assert set(json.loads(call("compact", path, "--json")[1])) == {"bytes_before", "bytes_after"}


def test_documents_go_out_and_come_back(notes, tmp_path):
    path, note = notes
    assert call("export", path, tmp_path / "out") == (0, "         1 notes\n")
    with hw.open(tmp_path / "new.hw"):
        pass
    code, output = call("import", tmp_path / "new.hw", tmp_path / "out", "--json")
    assert (code, json.loads(output)["documents"]) == (0, {"notes": 1})
    with hw.open(tmp_path / "new.hw") as db, hw.open(path) as old:
        assert db.get(note) == old.get(note)
    code, output = call("import", tmp_path / "new.hw", tmp_path / "out")
    assert code == 1
    assert "has documents already" in output
    code, output = call("export", path, tmp_path / "then", "--at", "1", "--table", "notes")
    assert code == 1
    assert "no such table at that moment" in output


def test_a_backup_is_a_database(notes, tmp_path):
    path, _ = notes
    assert call("backup", path, tmp_path / "copy.hw")[0] == 0
    assert call("verify", tmp_path / "copy.hw")[0] == 0


def test_a_backup_is_restored_where_nothing_is(notes, tmp_path):
    path, note = notes
    call("backup", path, tmp_path / "copy.hw")
    assert call("restore", tmp_path / "copy.hw", tmp_path / "again.hw")[0] == 0
    with hw.open(tmp_path / "again.hw") as db:
        assert db.get(note)["text"] == "b"
    assert call("restore", tmp_path / "copy.hw", path)[0] == 1


def test_statistics_count_everything(notes):
    path, _ = notes
    code, output = call("stats", path)
    assert code == 0
    assert [line.split()[0] for line in output.splitlines() if "notes" in line] == ["1"]
    facts = json.loads(call("stats", path, "--json")[1])
    assert facts["tables"]["notes"]["documents"] == 1
    assert facts["log"]["commits"] == 3


@pytest.mark.parametrize("command", ["verify", "repair", "compact", "log"])
def test_no_command_makes_a_database(tmp_path, command):
    code, output = call(command, tmp_path / "none")
    assert code == 1
    assert "there is no d" in output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["nonsense"], ["trim", "x"], ["trim", "x", "--before", "?"]])
def test_wrong_arguments_end_with_2(arguments):
    assert call(*arguments)[0] == 2


def test_the_command_ends_with_a_line_and_no_traceback(tmp_path):
    command = [sys.executable, "-m", "headwater.cli", "log", str(tmp_path / "none")]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith("headwater: ")
    assert result.stderr.count("\n") == 1


def test_a_missing_extra_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "typer", None)
    monkeypatch.delitem(sys.modules, "headwater.cli.commands", raising=False)
    with pytest.raises(SystemExit) as caught:
        main.run()
    assert caught.value.code == 2
    assert "pip install 'headwater[cli]'" in capsys.readouterr().err
