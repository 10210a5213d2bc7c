// Short messages at the edge of the page, perhaps with something to do about them.

import { act } from "./api.js";
import { fill, h } from "./dom.js";

const SECONDS = 12;

/** Show a message. */
export function notice(text, { action, label, isBad = false } = {}) {
  const box = document.getElementById("notices");
  const close = () => made.remove();
  const made = h(
    "div",
    { class: `notice${isBad ? " bad" : ""}` },
    h("span", { class: "notice-text" }, text),
    action &&
      h(
        "button",
        {
          type: "button",
          class: "quiet",
          onclick: () => {
            close();
            action();
          },
        },
        label,
      ),
    h("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: close }, "×"),
  );
  box.append(made);
  while (box.children.length > 4) box.firstElementChild.remove();
  setTimeout(close, SECONDS * 1000);
  return close;
}

/** Say what went wrong. */
export function failure(error) {
  if (error.status !== 401) notice(error.message, { isBad: true });
}

/** Say that something was committed, and offer to undo it. */
export function committed(text, ts, { action = "Undo" } = {}) {
  if (ts === "0") return;
  notice(text, { label: action, action: () => undo(ts) });
}

/** Undo a commit; the new one can be undone as well. */
export async function undo(ts, override = false) {
  try {
    const done = await act("undo", { ts, override });
    committed("Undone.", done.ts, { action: "Redo" });
  } catch (error) {
    if (error.code !== "undo_conflict" || override) return failure(error);
    notice(error.message, {
      isBad: true,
      label: "Undo all the same",
      action: () => undo(ts, true),
    });
  }
}

/** A dialog; closes by Escape. `build(close)` gives its children. */
export function dialog(title, build, { isWide = false } = {}) {
  const element = h("dialog", { class: isWide ? "wide" : "", "aria-label": title });
  const close = () => element.close();
  fill(
    element,
    h(
      "header",
      { class: "dialog-head" },
      h("h2", {}, title),
      h("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: close }, "×"),
    ),
    build(close),
  );
  // It gives the focus back by itself; what had it may be somewhere else by then.
  element.addEventListener("close", () => element.remove());
  element.addEventListener("click", (event) => event.target === element && close());
  document.body.append(element);
  element.showModal();
  return close;
}

/** Ask before something that matters. */
export function confirmed(title, text, label, action) {
  dialog(title, (close) => [
    h("p", {}, text),
    h(
      "div",
      { class: "buttons" },
      h("button", { type: "button", onclick: close }, "Cancel"),
      h(
        "button",
        {
          type: "button",
          class: "danger",
          autofocus: true,
          onclick: () => {
            close();
            action();
          },
        },
        label,
      ),
    ),
  ]);
}
