"""Hypothesis profiles for the whole suite: ``HEADWATER_TESTS=ci pytest``.

``dev`` draws new examples at every run and keeps failing ones in the local example database, ``ci``
draws the same ones at every run, ``deep`` looks for long.
"""

import gc
import os
import signal

from hypothesis import HealthCheck, Phase, settings

from headwater.functions import purity

# Without this Python traces no audit hook, and coverage would not see what the tests reach of it.
purity._look.__cantrace__ = True  # type: ignore[attr-defined]

# A suite that a shell has put into the background inherits that Ctrl-C is ignored, and so would its
# children, to which some tests send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_PATIENT = {
    # Two busy cores decide how long an example takes; a test's limits are counts, never seconds.
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow],
}
# What explains a failure traces every line once one is found, and runs hundreds of examples more:
# most of what a test takes that has to find something.
_WITHOUT_EXPLANATIONS = [phase for phase in Phase if phase is not Phase.explain]

settings.register_profile("dev", max_examples=50, phases=_WITHOUT_EXPLANATIONS, **_PATIENT)
settings.register_profile(
    "ci",
    max_examples=100,
    phases=_WITHOUT_EXPLANATIONS,
    derandomize=True,
    print_blob=True,
    **_PATIENT,
)
settings.register_profile("deep", max_examples=2000, **_PATIENT)
settings.load_profile(os.environ.get("HEADWATER_TESTS", "dev"))


def pytest_collection_finish() -> None:
    """Spare the garbage collector what the run itself holds: modules, and thousands of tests.

    They take it a tenth of a second each time, and measurements ask for it before every turn.
    """
    gc.collect()
    gc.freeze()
