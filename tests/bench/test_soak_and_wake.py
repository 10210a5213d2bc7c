"""The soak and the wake-up benchmark do what they say, on a small scale.

How fast and how flat is not asked here: a test measures no time.
"""

import pytest
from bench.soak import GROWTH_BYTES_MIN, Sample, complaints, growth, memory_bytes, soak
from bench.waking import at_fraction, measure

from bench import __main__ as command


def samples(*sizes: int) -> list[Sample]:
    return [Sample(at * 100, size, 10**8, 10**8) for at, size in enumerate(sizes, 1)]


def test_what_stays_the_same_is_flat() -> None:
    assert complaints(samples(*[10**8] * 20)) == []


def test_growth_during_the_warm_up_is_none() -> None:
    assert complaints(samples(*range(0, 10**8, 10**7), *[10**8] * 10)) == []


def test_what_grows_is_named_with_by_how_much() -> None:
    grows = samples(*range(10**7, 3 * 10**8, 10**7))
    assert growth(grows, lambda sample: sample.file_bytes) == pytest.approx(14 * 10**7)
    assert complaints(grows) == ["file: grew by 133.5 MiB, 14.3 MiB are allowed"]


def test_growth_that_is_noise_is_allowed() -> None:
    step = GROWTH_BYTES_MIN // 40
    assert complaints(samples(*range(0, 20 * step, step))) == []


def test_memory_is_known_without_proc(tmp_path) -> None:
    assert memory_bytes() > 0
    assert memory_bytes(tmp_path / "missing") > 0
    (tmp_path / "status").write_text("Name: x\nRssAnon:\t  12 kB\n")
    assert memory_bytes(tmp_path / "status") == 12 * 1024


def test_a_soak_samples_both_processes(tmp_path) -> None:
    told: list[Sample] = []
    found = soak(tmp_path / "soak.hw", 400, told.append)
    assert told == found
    assert [sample.commits for sample in found] == list(range(10, 401, 10))
    assert all(min(sample) > 0 for sample in found)


def test_waking_measures_every_process(tmp_path) -> None:
    delays, idle = measure(tmp_path, 3, commits=5, idle_seconds=0.01, gap_seconds=0.0)
    assert 2 <= len(delays) <= 10
    assert idle >= 0
    assert at_fraction(sorted(delays), 0.99) == max(delays)


def test_both_are_commands(capsys) -> None:
    for name in ("soak", "wake"):
        with pytest.raises(SystemExit):
            command.main([name, "--help"])
        assert f"python -m bench {name}" in capsys.readouterr().out
