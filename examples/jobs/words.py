"""Counting the words of files: a job for each file, and a batch for each folder."""

import time
from pathlib import Path
from typing import TypedDict

import headwater as hw
from headwater import (
    BatchResult,
    Document,
    Id,
    Index,
    Job,
    JobBatch,
    MutationCtx,
    QueryCtx,
    Queue,
    Retry,
    SyncActionCtx,
    Table,
)

LINES_AT_ONCE = 50

reading = Queue("reading", concurrency=3)


class Text(Document["Text"]):
    path: str
    words: int
    times: int


class Texts(Table[Text]):
    by_path = Index("path", unique=True)


class Folder(Document["Folder"]):
    path: str
    batch: Id[JobBatch]
    summary: str | None


class Folders(Table[Folder]):
    by_path = Index("path", unique=True)
    by_batch = Index("batch", unique=True)


class Line(TypedDict):
    """What there is to see of one file."""

    path: str
    state: str
    done: float
    total: float
    note: str


class Overview(TypedDict):
    """What there is to see of a folder."""

    lines: list[Line]
    summary: str | None


@hw.job(queue="reading", retry=Retry(attempts=3, initial_seconds=0.1), timeout_seconds=60)
def count_words(ctx: SyncActionCtx, path: str, pause_seconds: float) -> int:
    """Read one file, and say now and then how far that is."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise hw.NonRetryableError(f"{path} is no text: {error.reason}") from None
    words = 0
    for number, line in enumerate(lines):
        if number % LINES_AT_ONCE == 0:
            ctx.progress(number, len(lines), f"{words} words")
            time.sleep(pause_seconds)
        words += len(line.split())
    ctx.mutate(note_words, path=path, words=words)
    return words


@hw.mutation(internal=True)
def note_words(ctx: MutationCtx, path: str, words: int) -> None:
    """Write down what was counted; a file may be read again if a process was killed meanwhile."""
    known = ctx.db.query(Texts).with_index(Texts.by_path, path).unique()
    if known is None:
        ctx.db.insert(Texts, {"path": path, "words": words, "times": 1})
    else:
        ctx.db.patch(known["_id"], words=words, times=known["times"] + 1)


@hw.mutation
def read_folder(
    ctx: MutationCtx, path: str, files: list[str], pause_seconds: float = 0.0
) -> Id[JobBatch]:
    """Have the files of a folder read, unless that was begun before."""
    known = ctx.db.query(Folders).with_index(Folders.by_path, path).unique()
    if known is not None:
        return known["batch"]
    calls = [count_words.bind(path=file, pause_seconds=pause_seconds) for file in files]
    batch = ctx.jobs.enqueue_many(calls, on_complete=sum_up, context=path)
    ctx.db.insert(Folders, {"path": path, "batch": batch, "summary": None})
    return batch


@hw.mutation(internal=True)
def sum_up(ctx: MutationCtx, batch: Id[JobBatch], path: str, result: BatchResult) -> None:
    """All files were read, or could not be."""
    words = sum(text["words"] for text in ctx.db.query(Texts))
    folder = ctx.db.query(Folders).with_index(Folders.by_batch, batch).unique()
    assert folder is not None, "it was written with the batch"
    summary = f"{words} words in {result['success']} files of {path}; {result['dead']} unreadable"
    ctx.db.patch(folder["_id"], summary=summary)


@hw.query
def overview(ctx: QueryCtx, batch: Id[JobBatch]) -> Overview:
    """Every file of a batch and how far it is; pushed to whoever watches."""
    jobs = ctx.db.query(hw.Jobs).with_index(hw.Jobs.by_batch, batch)
    folder = ctx.db.query(Folders).with_index(Folders.by_batch, batch).unique()
    lines = sorted(map(line_of, jobs), key=lambda line: line["path"])
    return {"lines": lines, "summary": None if folder is None else folder["summary"]}


def line_of(job: Job) -> Line:
    """What there is to see of a job."""
    progress = job.get("progress")
    result = job.get("result")
    done, total, note = 0.0, 0.0, ""
    if progress is not None:
        done, total, note = progress["done"], progress["total"] or 0.0, progress["note"]
    if result is not None and result["kind"] == "success":
        done, note = total, f"{result['value']} words"
    elif result is not None and result["kind"] == "failure":
        note = result["error"]
    path = job["arguments"]["path"]
    return {"path": path, "state": job["state"], "done": done, "total": total, "note": note}


@hw.query
def files_read(ctx: QueryCtx) -> int:
    """How many files were read so far."""
    return ctx.db.query(Texts).count()
