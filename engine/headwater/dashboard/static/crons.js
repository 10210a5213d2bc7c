// Crons: when they run next, and how their last runs ended.

import { act } from "./api.js";
import { fill, h, paced, reconcile } from "./dom.js";
import { write } from "./exact.js";
import { time } from "./format.js";
import { rowsOf } from "./jobs.js";
import { touches } from "./live.js";
import { confirmed, failure, notice } from "./notices.js";
import { link } from "./router.js";
import { empty, heading } from "./shell.js";
import { state } from "./state.js";
import { cell } from "./values.js";

export async function open(box) {
  const crons = h("tbody");
  const runs = h("tbody");
  const noCrons = h("div");
  const noRuns = h("div");
  const cronTable = table("Crons", ["Name", "Schedule", "Function", "Next", "Runs", "State", ""], crons);
  const runTable = table("Last runs", ["Cron", "Scheduled", "Completed", "State", "Skipped", "Error"], runs);
  fill(
    box,
    heading("Crons"),
    cronTable.element,
    noCrons,
    h("section", { "aria-labelledby": "runs-title" }, h("h2", { id: "runs-title" }, "Last runs"), runTable.element, noRuns),
  );

  async function loadAll() {
    const [found, past] = await Promise.all([rowsOf("_crons", { sort: "name", order: "asc" }), rowsOf("_cron_runs")]);
    cronTable.element.hidden = !found.rows.length;
    runTable.element.hidden = !past.rows.length;
    fill(noCrons, found.rows.length ? null : empty("No crons", "hw.Crons in a module, or db.crons, makes functions run again and again."));
    fill(noRuns, past.rows.length ? null : empty("No runs yet", "Each run is kept here for a time."));
    const shared = { keyOf: (one) => one._id, textOf: (one) => `${write(one)}${state.at}` };
    reconcile(crons, found.rows, { ...shared, build: cronRow });
    reconcile(runs, past.rows, { ...shared, build: runRow });
  }

  function cronRow(one) {
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, one.name),
      h("td", {}, scheduleText(one.schedule)),
      h("td", {}, h("a", { href: link("functions", one.function), class: "function" }, one.function)),
      h("td", {}, time(one.nextTime)),
      h("td", { class: "number" }, cell(one.runs)),
      h("td", {}, h("span", { class: `badge ${one.state}` }, one.state)),
      h("td", {}, !one.module && !state.at && h("button", { type: "button", class: "danger", onclick: () => ask(one.name) }, "Delete")),
    );
  }

  function ask(name) {
    confirmed("Delete", `The cron ${name} will not run any more.`, "Delete", async () => {
      try {
        await act("crons/delete", { name });
        notice(`The cron ${name} is deleted.`);
      } catch (error) {
        failure(error);
      }
    });
  }

  const load = paced(() => loadAll().catch(failure));
  await loadAll();
  return { commits: (batch) => !state.at && touches(batch, "_crons", "_cron_runs") && load(), moved: load };
}

function runRow(one) {
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, one.name),
    h("td", {}, time(one.scheduledTime)),
    h("td", {}, one.completedTime === undefined ? "–" : time(one.completedTime)),
    h("td", {}, h("span", { class: `badge ${one.state}` }, one.state.replace("_", " "))),
    h("td", { class: "number" }, cell(one.skipped)),
    h("td", {}, one.error ? h("span", { class: "problem", title: one.error }, one.error) : ""),
  );
}

function table(name, columns, body) {
  const head = columns.map((text) => h("th", { scope: "col" }, text || h("span", { class: "visually-hidden" }, "What to do")));
  const element = h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": name },
    h("table", { class: "grid" }, h("caption", { class: "visually-hidden" }, name), h("thead", {}, h("tr", {}, head)), body),
  );
  return { element };
}

/** A schedule in words. */
function scheduleText(schedule) {
  if (schedule.kind === "interval") return `every ${spanText(Number(schedule.seconds))}`;
  return `${schedule.expression} ${schedule.tz}`;
}

function spanText(seconds) {
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (seconds % size === 0) return seconds === size ? unit : `${seconds / size} ${unit}s`;
  }
  return `${seconds} s`;
}
