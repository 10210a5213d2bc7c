// The log as it flows: one connection for the whole page, which comes back when it is lost.

import { connect, leave } from "./api.js";
import { parse } from "./exact.js";

const listeners = new Set();
const WAIT_MAX = 10_000;
let socket;
let timer = 0;
let wait = 500;
let isWanted = false;

/** Whether the page is told of commits. */
export let isLive = false;

/** Call back with each batch of commits; `isCut` says that some are missing. */
export function onCommits(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function startFollowing() {
  isWanted = true;
  open();
}

export function stopFollowing() {
  isWanted = false;
  clearTimeout(timer);
  socket?.close();
}

function open() {
  const made = connect({ follow: "log" });
  socket = made;
  made.addEventListener("message", ({ data }) => take(parse(data)));
  made.addEventListener("close", () => {
    if (made !== socket) return;
    show(false);
    if (!isWanted) return;
    timer = setTimeout(open, wait);
    wait = Math.min(wait * 2, WAIT_MAX);
  });
}

function take(facts) {
  if (facts.refused) {
    // Asking again with the same token would be guessing.
    wait = WAIT_MAX;
    if (facts.status === 401) leave();
  } else if (facts.begun !== undefined) {
    wait = 500;
    show(true);
    // What came while nobody listened is not known: everybody looks anew.
    tell({ entries: [], isCut: true });
  } else {
    tell(facts);
  }
}

function tell(facts) {
  for (const listener of [...listeners]) listener(facts);
}

function show(isThere) {
  isLive = isThere;
  document.dispatchEvent(new CustomEvent("headwater-live", { detail: isThere }));
}

/** Whether a batch of commits changed one of these tables. */
export function touches(batch, ...tables) {
  return batch.isCut || batch.entries.some((one) => one.tables.some((t) => tables.includes(t.table)));
}
