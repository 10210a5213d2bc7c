// Insights: how much goes on, how long it takes, what is lost to conflicts, what the cache saves.

import { read } from "./api.js";
import { fill, h } from "./dom.js";
import { write } from "./exact.js";
import { bytes, counted, duration, number, time } from "./format.js";
import { failure } from "./notices.js";
import { axes, bars, dots, line, logScale, plot, scale, span } from "./plots.js";
import { link } from "./router.js";
import { heading } from "./shell.js";

const PAUSE_MS = 2000;
const SAMPLES_MAX = 300;
const SPAN_MS = 600_000;
const BUCKET_MS = 10_000;
const FAILED_MAX = 10;
const TEXTS = new Set(["To", "Table", "Index", "Key", "When", "Request", "Error", "Name"]);

/** What was seen while the page was open, kept when other views are looked at. */
const samples = [];

export async function open(box) {
  let timer = 0;
  let isClosed = false;
  const tiles = h("dl", { class: "tiles" });
  const plots = {
    commits: plot("Commits", "of all processes, in each 10 seconds"),
    latency: plot("Latency", "of each call", legend()),
    conflicts: plot("Conflicts", "lost and run again, since this page was opened"),
    cache: plot("Cache", "hits among the results that were looked for"),
  };
  const tables = h("div", { class: "insight-tables" });
  fill(
    box,
    heading("Insights", h("span", { class: "muted" }, "of this process, since it opened the database")),
    tiles,
    h("div", { class: "plots" }, Object.values(plots).map((one) => one.element)),
    tables,
  );

  async function load() {
    const [found, failed] = await Promise.all([
      read("insights"),
      read("calls", { failed: "true", limit: String(FAILED_MAX) }),
    ]);
    if (isClosed) return;
    sample(found);
    showTiles(tiles, found);
    showCommits(plots.commits, found);
    showLatency(plots.latency, found);
    showConflicts(plots.conflicts);
    showCache(plots.cache);
    showTables(tables, found, failed.calls);
  }

  async function again() {
    if (isClosed) return;
    try {
      if (document.visibilityState === "visible") await load();
    } catch (error) {
      if (error.status === 401) return;
    }
    timer = setTimeout(again, PAUSE_MS);
  }

  await load();
  timer = setTimeout(again, PAUSE_MS);
  return {
    moved: () => load().catch(failure),
    close: () => {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}

function legend() {
  const kinds = [["query", "queries"], ["mutation", "mutations"], ["action", "actions"], ["bad", "failed"]];
  return kinds.map(([kind, text]) => h("span", { class: `legend ${kind}` }, text));
}

function sample(found) {
  const last = samples.at(-1);
  const [hits, misses, conflicts] = [found.cacheHits, found.cacheMisses, found.conflictsLost].map(Number);
  // Another process answers, or the same one was started anew: its counters begin at zero.
  if (last && (hits < last.hits || misses < last.misses || conflicts < last.conflicts)) samples.length = 0;
  samples.push({ ms: Number(found.overview.now), hits, misses, conflicts });
  if (samples.length > SAMPLES_MAX) samples.shift();
}

function showTiles(tiles, { overview, cacheHits, cacheMisses, conflictsLost }) {
  const looked = Number(cacheHits) + Number(cacheMisses);
  const facts = [
    ["Commits", number(overview.commits), "in the log"],
    ["File", bytes(overview.bytes), `${bytes(overview.freeBytes)} free`],
    ["Live queries", number(overview.liveQueries), counted(overview.subscriptions, "subscriber")],
    ["Cache hits", looked ? `${Math.round((100 * Number(cacheHits)) / looked)} %` : "–", `of ${number(looked)}`],
    ["Conflicts", number(conflictsLost), "lost and run again"],
    ["Open snapshots", number(overview.readers), "of all processes"],
  ];
  fill(tiles, facts.map(([name, value, note]) => h("div", { class: "tile" }, h("dt", {}, name), h("dd", {}, value, note && h("span", { class: "muted" }, note)))));
}

function showCommits(shown, { commits, overview }) {
  const end = Number(overview.now);
  const begin = end - SPAN_MS;
  const counts = new Map();
  for (const [second, count] of commits) {
    const bucket = Math.floor((Number(second) * 1000) / BUCKET_MS) * BUCKET_MS;
    counts.set(bucket, (counts.get(bucket) ?? 0) + Number(count));
  }
  const at = scale([...counts.values()], { format: number, least: 5 });
  const recent = commits.filter(([second]) => Number(second) * 1000 > end - 60_000).reduce((sum, [, count]) => sum + Number(count), 0);
  shown.show(`${number(recent)} in the last minute`, [axes(at, begin, end), bars([...counts], span(begin, end), at, BUCKET_MS)]);
}

function showLatency(shown, { calls, overview }) {
  const end = Number(overview.now);
  const timed = calls.map((one) => [Number(one.started), Number(one.seconds), one.error ? "bad" : one.kind]).filter(([ms]) => ms > end - SPAN_MS);
  const seconds = timed.map(([, value]) => value).sort((a, b) => a - b);
  const begin = Math.min(end - 60_000, ...timed.map(([ms]) => ms));
  const at = logScale(seconds, { format: duration, least: 0.0001, most: 0.01 });
  const quantile = (share) => duration(seconds[Math.min(seconds.length - 1, Math.floor(share * seconds.length))]);
  const text = seconds.length ? `half within ${quantile(0.5)}, 95 % within ${quantile(0.95)}` : "no calls in the last 10 minutes";
  shown.show(text, [axes(at, begin, end), dots(timed, span(begin, end), at)]);
}

/** Begin and end of what was sampled, at least a minute. */
function sampled() {
  const end = samples.at(-1).ms;
  return [Math.min(end - 60_000, samples[0].ms), end];
}

function showConflicts(shown) {
  const [begin, end] = sampled();
  const pairs = samples.slice(1).map((one, place) => [one.ms - PAUSE_MS, one.conflicts - samples[place].conflicts]);
  const at = scale(pairs.map(([, value]) => value), { format: number, least: 5 });
  const total = samples.at(-1).conflicts - samples[0].conflicts;
  shown.show(total ? `${number(total)} lost` : "none lost", [axes(at, begin, end), bars(pairs, span(begin, end), at, PAUSE_MS, "bad")]);
}

function showCache(shown) {
  const [begin, end] = sampled();
  const pairs = [];
  let share = null;
  for (const [place, one] of samples.slice(1).entries()) {
    const before = samples[place];
    const looked = one.hits + one.misses - before.hits - before.misses;
    if (looked) share = (100 * (one.hits - before.hits)) / looked;
    if (share !== null) pairs.push([one.ms, share]);
  }
  const at = scale([100], { format: (value) => `${value} %`, least: 100 });
  shown.show(share === null ? "nothing was looked for" : `${Math.round(share)} % hits`, [axes(at, begin, end), line(pairs, span(begin, end), at)]);
}

// -- tables -------------------------------------------------------------------------------------

function showTables(box, found, failed) {
  const fn = (path) => (path.includes(":") ? h("a", { href: link("functions", path), class: "function" }, path) : path);
  const text = write([found.functions, found.conflicts, found.nearLimits, failed]);
  if (box.shownText === text) return;
  box.shownText = text;
  fill(
    box,
    grid("Functions, the slowest first", ["Function", "Runs", "Failures", "Mean", "Slowest", "Conflicts"],
      found.functions.map((one) => [fn(one.function), number(one.runs), failures(one.failures), duration(one.meanSeconds), duration(one.slowestSeconds), number(one.conflicts)])),
    grid("Where conflicts were lost", ["Function", "Lost", "To", "Table", "Index", "Key"],
      found.conflicts.map((one) => [fn(one.function), number(one.count), one.winner ? fn(one.winner) : "by hand", h("a", { href: link("tables", one.table) }, one.table), one.index, one.key])),
    grid("Calls that failed, the newest first", ["Function", "When", "Request", "Error"],
      failed.map((one) => [fn(one.function), time(one.started), h("code", {}, one.requestId), h("span", { class: "problem", title: one.error }, one.error)])),
    grid("Near a limit", ["Function", "Share", "Most in one run", "Limit", "Name"],
      found.nearLimits.map((one) => [fn(one.function), `${Math.round((100 * Number(one.value)) / Number(one.maximum))} %`, number(one.value), number(one.maximum), one.limit])),
  );
}

const alignment = (columns, place) => (place && !TEXTS.has(columns[place]) ? "number" : undefined);

const failures = (count) => (Number(count) ? h("span", { class: "problem" }, number(count)) : "0");

function grid(title, columns, rows) {
  if (!rows.length) return null;
  return h(
    "div",
    {},
    h("h2", {}, title),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": title },
      h(
        "table",
        { class: "grid" },
        h("caption", { class: "visually-hidden" }, title),
        h("thead", {}, h("tr", {}, columns.map((text, place) => h("th", { scope: "col", class: alignment(columns, place) }, text)))),
        h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((one, place) => (place ? h("td", { class: alignment(columns, place) }, one) : h("th", { scope: "row" }, one)))))),
      ),
    ),
  );
}
