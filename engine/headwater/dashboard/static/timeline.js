// Travelling in time: a slider over the commits of the whole database.

import { read } from "./api.js";
import { delayed, fill, h } from "./dom.js";
import { exactTime, msOf, number, relativeTime } from "./format.js";
import { addKey } from "./keys.js";
import { onCommits } from "./live.js";
import { failure } from "./notices.js";
import { link, travel } from "./router.js";
import { onMoment, state } from "./state.js";

/** The bar above every view. */
export function timeline() {
  let stops = [];
  let isOpen = false;
  let isMoving = false;
  const slider = h("input", {
    type: "range",
    min: 0,
    max: 0,
    step: 1,
    "aria-label": "Moment of the database",
    class: "slider",
  });
  const label = h("output", { class: "moment" });
  const commit = h("a", { class: "quiet-link" }, "commit");
  const toggle = h("button", { type: "button", class: "quiet", "aria-expanded": "false" }, "Time travel");
  const now = h("button", { type: "button", onclick: () => travel("") }, "Back to now");
  const back = h("button", { type: "button", "aria-label": "One commit back", title: "One commit back ([)", onclick: () => step("previous") }, "‹");
  const forth = h("button", { type: "button", "aria-label": "One commit forth", title: "One commit forth (])", onclick: () => step("next") }, "›");
  const panel = h("div", { class: "travel-panel", hidden: true }, back, slider, forth);
  const element = h(
    "section",
    { class: "travel", "aria-label": "Time travel" },
    h("div", { class: "travel-head" }, toggle, label, commit, now),
    panel,
  );

  async function load() {
    try {
      const found = await read("timeline");
      if (isMoving) return; // it would jump away from the pointer
      stops = found.stops;
      slider.max = stops.length;
      slider.title = `${number(found.commits)} commits`;
      place();
    } catch (error) {
      failure(error);
    }
  }

  /** Put the slider where the moment is; its last place is now. */
  function place() {
    if (!state.at) {
      slider.value = stops.length;
      return;
    }
    const at = BigInt(state.at);
    let low = 0;
    let high = stops.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (BigInt(stops[middle]) <= at) low = middle + 1;
      else high = middle;
    }
    slider.value = Math.max(0, low - 1);
  }

  function say(at) {
    const isPast = at !== "";
    fill(label, isPast ? `${exactTime(msOf(at))} · ${relativeTime(msOf(at))}` : "now");
    slider.setAttribute("aria-valuetext", isPast ? exactTime(msOf(at)) : "now");
  }

  function show() {
    const isPast = state.at !== "";
    document.documentElement.classList.toggle("past", isPast);
    now.hidden = commit.hidden = !isPast;
    if (isPast) commit.href = link("commit", state.at);
    panel.hidden = !(isOpen || isPast);
    toggle.setAttribute("aria-expanded", String(!panel.hidden));
    say(state.at);
    place();
    if (!panel.hidden && !stops.length) load();
  }

  async function step(direction) {
    if (!state.at && direction === "next") return;
    try {
      // From now, the step back leads to the state before the newest commit.
      const from = state.at || (await read("timeline")).stops.at(-1) || "0";
      const found = await read("step", { ts: from, direction });
      if (found.ts !== null) travel(found.ts);
      else if (direction === "next") travel("");
    } catch (error) {
      failure(error);
    }
  }

  const settle = delayed(() => {
    isMoving = false;
    travel(chosen());
  }, 60);
  const chosen = () => stops[Number(slider.value)] ?? "";
  slider.addEventListener("input", () => {
    isMoving = true;
    say(chosen());
    settle();
  });
  toggle.addEventListener("click", () => {
    isOpen = panel.hidden;
    if (!isOpen && state.at) travel("");
    if (isOpen && stops.length) load();
    show();
    if (isOpen) slider.focus();
  });
  onMoment(show);
  const reload = delayed(() => !panel.hidden && load(), 500);
  onCommits(reload);
  show();
  return {
    element,
    show,
    addKeys() {
      addKey("t", () => toggle.click());
      addKey("[", () => step("previous"));
      addKey("]", () => step("next"));
      addKey("0", () => travel(""));
    },
  };
}
