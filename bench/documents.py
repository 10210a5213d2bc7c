"""The documents that every engine gets: about 300 bytes as JSON, the same in every run."""

import json
from random import Random
from typing import Any, Final, TypeAlias

Fields: TypeAlias = dict[str, Any]
"""A document without what an engine adds (an id, a time)."""

SEED: Final = 20_240_817
PER_CHANNEL: Final = 1000
PER_AUTHOR: Final = 20

_WORDS: Final = tuple(
    """
    stream river source delta basin ridge valley meadow harbour lantern copper velvet orchard
    winter summer granite timber marble signal anchor compass feather thunder island market
    garden window silver candle bridge tunnel engine ledger shadow mirror branch canyon pebble
    willow falcon otter salmon heron badger maple cedar juniper naïve café smörgås
    """.split()  # noqa: SIM905 - eighty strings in quotes are harder to read
)


def channel_name(number: int) -> str:
    """The value of the field ``channel`` that `PER_CHANNEL` documents share."""
    return f"channel-{number:05d}"


def author_name(number: int) -> str:
    """The value of the field ``author`` that about `PER_AUTHOR` documents share."""
    return f"author-{number:06d}"


def channels_of(total: int) -> int:
    """How many channels there are among the first ``total`` documents; at least one."""
    return max(1, total // PER_CHANNEL)


def make_document(number: int, total: int) -> Fields:
    """Document ``number`` of a collection that is laid out for ``total`` documents.

    Neighbours are in different channels, as they are in a chat. A number may be above ``total``:
    such documents go into the same channels.
    """
    random = Random(f"{SEED}/{number}")
    words = random.choices(_WORDS, k=25)
    return {
        "channel": channel_name(number % channels_of(total)),
        "author": author_name(random.randrange(max(1, total // PER_AUTHOR))),
        "title": " ".join(words[:4]).capitalize(),
        "body": " ".join(words[4:22]) + ".",
        "score": random.randrange(-500, 100_000),
        "rating": random.randrange(0, 5000) / 1000,
        "is_read": number % 3 == 0,
        "tags": words[22:],
    }


def make_documents(first: int, count: int, total: int) -> list[Fields]:
    """Documents ``first`` to ``first + count - 1``."""
    return [make_document(number, total) for number in range(first, first + count)]


def json_size(fields: Fields) -> int:
    """Bytes of a document as compact JSON in UTF-8."""
    return len(json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode())
