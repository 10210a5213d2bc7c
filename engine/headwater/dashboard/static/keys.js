// The keyboard: letters go to views and rows, unless somebody is writing.

import { h } from "./dom.js";
import { dialog } from "./notices.js";

const KEYS = [
  ["/", "go to the filter"],
  ["j, k", "next and previous row"],
  ["Enter", "open the row"],
  ["x", "choose the row"],
  ["e", "edit the document"],
  ["n", "write a new document"],
  ["p", "pause the log"],
  ["g then t, f, l, j, c, s, i", "go to tables, functions, log, jobs, crons, files, insights"],
  ["t", "travel in time"],
  ["[ and ]", "one commit back and forth"],
  ["0", "back to now"],
  ["Esc", "close, or leave a field"],
  ["?", "these keys"],
];

let pressed = {};
let prefix = "";

/** The keys of the view that is shown, by what is pressed. */
export function setKeys(keys) {
  pressed = keys;
}

const general = {};

/** A key that works in every view. */
export function addKey(key, action) {
  general[key] = action;
}

export function showKeys() {
  dialog("Keys", () =>
    h(
      "dl",
      { class: "keys" },
      KEYS.map(([key, text]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, text)]),
    ),
  );
}

function isWriting(target) {
  return (
    target.closest("textarea, select, [contenteditable]") ||
    (target.tagName === "INPUT" && !["checkbox", "radio", "button"].includes(target.type))
  );
}

export function listenToKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (isWriting(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const key = prefix + event.key;
    prefix = "";
    if (event.key === "g" && key === "g") {
      prefix = "g ";
      return;
    }
    const action = pressed[key] ?? general[key];
    if (!action) return;
    if (action(event) !== false) event.preventDefault();
  });
}

/** Move among rows: `j` and `k` focus the next and the previous of them. */
export function rowKeys(rows, more = {}) {
  const step = (distance) => () => {
    const all = rows();
    const now = all.indexOf(document.activeElement?.closest("[data-key]"));
    const next = all[Math.max(0, Math.min(all.length - 1, now + distance))];
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
  };
  return { j: step(1), k: step(-1), ...more };
}
