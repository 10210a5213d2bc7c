"""A chat in the terminal.

``python -m examples.chat`` lets two threads talk to each other. In two terminals,
``python -m examples.chat chat.hw Ada`` and ``python -m examples.chat chat.hw Grace`` let two
processes do it: each writes to the same directory and sees at once what the other one wrote.

``headwater dev examples/chat`` serves the same chat as a page.
"""

import sys
import threading

from examples.chat import chat
from examples.chat.chat import Channel, Message

import headwater as hw
from headwater import Database, Id

LINES = {
    "Ada": ["Good morning, Grace.", "I wrote a program for it.", "It has no bugs."],
    "Grace": [
        "Morning, Ada! Is the engine built yet?",
        "Without a machine?",
        "Wait for the moths.",
    ],
}
COUNT = sum(map(len, LINES.values()))


def show(message: Message) -> None:
    print(f"  {message['author']:>6}: {message['body']}", flush=True)


def talk(db: Database, channel: Id[Channel], name: str) -> None:
    """Say the next line whenever the other one has spoken."""
    lines = iter(LINES[name])
    with db.watch(chat.latest, channel=channel, limit=1) as live:
        for newest in live:
            last_author = newest[0]["author"] if newest else "Grace"
            if last_author == name:
                continue
            line = next(lines, None)
            if line is None:
                return
            db.mutate(chat.send, channel=channel, author=name, body=line)


def demo() -> None:
    """Two threads talk; a live query prints what is new."""
    with hw.open(None, modules=[chat]) as db:
        general = db.mutate(chat.join, name="general")
        speakers = [
            threading.Thread(target=talk, args=(db, general, name), daemon=True) for name in LINES
        ]
        for speaker in speakers:
            speaker.start()
        shown = 0
        print("#general")
        with db.watch(chat.latest, channel=general) as live:
            for messages in live:
                for message in reversed(messages[: len(messages) - shown]):
                    show(message)
                shown = len(messages)
                if shown == COUNT:
                    break
        print(f"{shown} messages, each pushed by the database; nobody asked for news.")


def interactive(path: str, name: str) -> None:
    """Read lines from the keyboard; print what the others say."""
    with hw.open(path, modules=[chat]) as db:
        general = db.mutate(chat.join, name="general")
        seen: set[Id[Message]] = set()

        def print_new(messages: list[Message]) -> None:
            for message in reversed(messages):
                if message["_id"] not in seen and message["author"] != name:
                    show(message)
                seen.add(message["_id"])

        db.watch(chat.latest, channel=general, limit=20).on_change(print_new)
        print(f"You are {name} in #general of {path}. An empty line ends it.")
        while line := sys.stdin.readline().strip():
            db.mutate(chat.send, channel=general, author=name, body=line)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        interactive(sys.argv[1], sys.argv[2])
    else:
        demo()
