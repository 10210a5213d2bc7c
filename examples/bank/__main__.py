"""Look for what is wrong with two versions of a bank: ``python -m examples.bank [seed]``."""

import sys

from examples.bank.rules import right, wrong


def main() -> None:
    """Try both."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    failure = wrong.find_failure(seed=seed)
    if failure is None:
        print(f"The hasty bank passes with seed {seed}; try another one.")
    else:
        print(f"The hasty bank fails: {failure.error}. The shortest way there, as a script:\n")
        print(failure.script)
    found = right.find_failure(seed=seed)
    print("The mended bank passes." if found is None else f"The mended bank fails:\n{found.script}")


if __name__ == "__main__":
    main()
