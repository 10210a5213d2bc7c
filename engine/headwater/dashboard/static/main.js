// The page begins here: sign in, put up the frame, and show the view that the address names.

import { onSignedOut, read, token } from "./api.js";
import { fill, h } from "./dom.js";
import { listenToKeys, setKeys } from "./keys.js";
import { onCommits, startFollowing, stopFollowing } from "./live.js";
import { failure } from "./notices.js";
import { onPlace, place } from "./router.js";
import { applyTheme, heading, shell } from "./shell.js";
import { signIn } from "./signin.js";
import { loadTables, onMoment } from "./state.js";

const VIEWS = {
  tables: () => import("./tables.js"),
  document: () => import("./document.js"),
  functions: () => import("./functions.js"),
  log: () => import("./log.js"),
  commit: () => import("./commit.js"),
  jobs: () => import("./jobs.js"),
  crons: () => import("./crons.js"),
  files: () => import("./files.js"),
  insights: () => import("./insights.js"),
};

const root = document.getElementById("page");
let frame;
let shown = {};
let arrivals = 0;

async function show(where, { isNewPlace = true } = {}) {
  const arrival = (arrivals += 1);
  shown.close?.();
  shown = {};
  setKeys({});
  frame.mark(where.view);
  const load = VIEWS[where.view];
  if (!load) {
    fill(frame.main, heading("Not here"), h("p", {}, `There is no view “${where.view}”.`));
    return;
  }
  try {
    const [{ open }] = await Promise.all([load(), loadTables()]);
    if (arrival !== arrivals) return;
    const box = h("div", { class: `view view-${where.view}` });
    const made = await open(box, where);
    if (arrival !== arrivals) return made?.close?.();
    shown = made ?? {};
    fill(frame.main, box);
    setKeys(shown.keys ?? {});
    if (isNewPlace && document.activeElement === document.body) focusHeading();
  } catch (error) {
    if (arrival !== arrivals || error.status === 401) return;
    fill(frame.main, heading("That did not work"), h("p", { class: "problem" }, error.message));
  }
}

function focusHeading() {
  frame.main.querySelector("h1")?.focus({ preventScroll: true });
}

function enter(overview) {
  frame = shell(root, overview, leave);
  startFollowing();
  if (!started) {
    started = true;
    onPlace(show);
    onMoment(() => queueMicrotask(() => moved()));
    onCommits(tell);
    document.addEventListener("visibilitychange", () => {
      if (hasMissed) tell({ entries: [], isCut: true });
    });
  } else {
    show(place());
  }
}

let started = false;

let hasMissed = false;

/** Tell the view of commits; one that nobody sees looks anew when it is seen again. */
function tell(batch) {
  hasMissed = document.visibilityState === "hidden";
  if (!hasMissed) Promise.resolve(shown.commits?.(batch)).catch(failure);
}

/** Another moment is looked at: the view shows it in its place, or is opened anew. */
function moved() {
  frame.mark(place().view);
  if (shown.moved) Promise.resolve(shown.moved()).catch(failure);
}

function leave() {
  token.forget();
  stopFollowing();
  arrivals += 1;
  shown.close?.();
  shown = {};
  setKeys({});
  document.documentElement.classList.remove("past");
  signIn(root, enter);
}

applyTheme();
listenToKeys();
onSignedOut(() => token.get() && root.querySelector(".shell") && leave());
if (token.get()) read("overview").then(enter, ({ status, message }) => (status === 401 ? leave() : signIn(root, enter, message)));
else signIn(root, enter);
