// The log as it flows: who committed what, and which live queries that touched.

import { read } from "./api.js";
import { delayed, fill, h, reconcile } from "./dom.js";
import { write } from "./exact.js";
import { counted, number, timeOf } from "./format.js";
import { rowKeys } from "./keys.js";
import { failure } from "./notices.js";
import { go, link, rewrite } from "./router.js";
import { empty, heading } from "./shell.js";
import { state } from "./state.js";

const PAGE = 50;
const KEPT_MAX = 500;
const SIGNS = { insert: "+", update: "~", delete: "−" };

/** Who made a commit, in words. */
export function originOf(origin) {
  const by = origin.identity ? ` by ${origin.identity}` : "";
  const name = origin.function;
  // Those of services and of plain functions are in no list.
  const isPublished = /^[^_<].*:/.test(name);
  const shown = isPublished ? h("a", { href: link("functions", name), class: "function" }, name) : name || "by hand";
  return h("span", { class: "origin" }, shown, by);
}

/** What a commit changed, by table. */
export function changesOf(entry) {
  return h(
    "span",
    { class: "changes" },
    entry.tables.map((one) =>
      h(
        "span",
        { class: `badge ${one.kind}`, title: `${counted(one.count, "document")}: ${one.kind}` },
        `${SIGNS[one.kind]}${one.count > 1 ? number(one.count) : ""} ${one.table}`,
      ),
    ),
  );
}

/** The live queries that a commit touched. */
export function touchedOf(entry) {
  if (!entry.touched?.length) return null;
  return h(
    "span",
    { class: "touched" },
    h("span", { class: "muted" }, "live: "),
    entry.touched.map((one, place) => [
      place ? ", " : "",
      h("a", { href: link("functions", one.function), title: `${counted(one.queries, "query").replace("querys", "queries")}, ${counted(one.subscriptions, "subscriber")}` }, one.function),
      one.queries > 1 ? ` ×${number(one.queries)}` : "",
    ]),
  );
}

export async function open(box, { options }) {
  const asked = { search: options.get("search") ?? "", table: options.get("table") ?? "" };
  let entries = [];
  let next = null;
  let isPaused = false;
  let waiting = 0;
  const list = h("ol", { class: "log" });
  const nothing = h("div");
  const more = h("button", { type: "button", hidden: true, onclick: () => older() }, "Older commits");
  const pause = h("button", { type: "button", "aria-pressed": "false", onclick: () => setPaused(!isPaused) }, "Pause");
  const search = h("input", { type: "search", id: "filter", placeholder: "Function, identity, request or document id", value: asked.search, autocomplete: "off", spellcheck: "false" });
  const table = h("select", { id: "log-table" });
  fill(
    box,
    heading("Log", h("div", { class: "buttons" }, pause)),
    h(
      "form",
      { class: "toolbar", role: "search", onsubmit: (event) => event.preventDefault() },
      h("label", { for: "filter", class: "visually-hidden" }, "Search the log"),
      search,
      h("label", { for: "log-table", class: "visually-hidden" }, "Table"),
      table,
    ),
    list,
    nothing,
    h("div", { class: "foot" }, more),
  );
  const names = [...state.tables.keys()].filter((name) => !state.tables.get(name).isService || state.tables.get(name).documents);
  fill(table, h("option", { value: "" }, "All tables"), names.map((name) => h("option", { value: name }, name)));
  table.value = asked.table;

  async function load() {
    const before = state.at ? String(BigInt(state.at) + 1n) : "";
    const found = await read("log", { ...asked, before, limit: String(PAGE) });
    entries = found.entries;
    next = found.next;
    show(false);
  }

  async function older() {
    const found = await read("log", { ...asked, before: next, limit: String(PAGE) });
    entries = [...entries, ...found.entries];
    next = found.next;
    show(false);
  }

  function show(isNews) {
    reconcile(list, entries, {
      keyOf: (one) => one.ts,
      textOf: (one) => write(one),
      build: entryOf,
      changed: (element, isNew) => isNews && isNew && element.classList.add("came"),
    });
    more.hidden = next === null;
    const isFiltered = asked.search || asked.table;
    fill(nothing, entries.length ? null : empty(isFiltered ? "Nothing matches" : "No commits yet", isFiltered ? "Older commits may: the newest were looked at." : "Each commit appears here when it is made."));
  }

  /** New commits come on top, unless the filter has to be asked about them. */
  function take(batch) {
    if (state.at) return undefined;
    if (isPaused) {
      waiting += batch.entries.length;
      pause.textContent = `Go on (${number(waiting)} new)`;
      return undefined;
    }
    if (batch.isCut || asked.search || asked.table) return reload();
    const known = new Set(entries.slice(0, 300).map((one) => one.ts));
    const fresh = batch.entries.filter((one) => !known.has(one.ts)).reverse();
    entries = [...fresh, ...entries];
    if (entries.length > KEPT_MAX) {
      entries = entries.slice(0, KEPT_MAX);
      next = entries.at(-1).ts;
    }
    show(true);
    return undefined;
  }

  const reload = delayed(() => load().catch(failure), 150);

  function setPaused(isNow) {
    isPaused = isNow;
    waiting = 0;
    pause.textContent = isPaused ? "Go on" : "Pause";
    pause.setAttribute("aria-pressed", String(isPaused));
    if (!isPaused) reload();
  }

  const again = delayed(() => {
    asked.search = search.value.trim();
    asked.table = table.value;
    rewrite(asked);
    load().catch(failure);
  }, 250);
  search.addEventListener("input", again);
  table.addEventListener("change", again);
  await load();
  return {
    commits: take,
    moved: load,
    keys: { ...rowKeys(() => [...list.children]), "/": () => search.focus(), p: () => pause.click() },
  };
}

function entryOf(entry) {
  const only = entry.count === 1 ? entry.changes[0] : null;
  return h(
    "li",
    {
      class: "entry",
      tabindex: "0",
      onkeydown: (event) => event.key === "Enter" && event.target === event.currentTarget && go("commit", entry.ts),
    },
    h("a", { href: link("commit", entry.ts), class: "entry-time" }, timeOf(entry.ts)),
    h("span", { class: "entry-origin" }, originOf(entry.origin)),
    h("span", { class: "entry-changes" }, changesOf(entry),
      only && h("a", { href: link("document", only.id), class: "id", title: only.id }, `${only.id.slice(0, 6)}…${only.id.slice(-4)}`)),
    touchedOf(entry),
  );
}
