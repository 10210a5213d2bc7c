// Jobs: queues and how they stand, single jobs, dead letters, and what is scheduled.

import { act, read } from "./api.js";
import { fill, h, paced, reconcile } from "./dom.js";
import { write } from "./exact.js";
import { counted, number, time } from "./format.js";
import { rowKeys } from "./keys.js";
import { touches } from "./live.js";
import { confirmed, failure, notice } from "./notices.js";
import { link, rewrite } from "./router.js";
import { empty, heading } from "./shell.js";
import { state as page } from "./state.js";
import { idLink, tree } from "./values.js";

const LIMIT = 100;
const STATES = ["", "pending", "running", "dead", "success", "canceled"];
const DONE = { cancel: "canceled", redrive: "will run again", purge: "forgotten" };

/** The rows of a table of a service; of one that was never used there are none. */
export async function rowsOf(table, parameters = {}) {
  if (!page.tables.has(table)) return { rows: [], hasMore: false, isCut: false };
  return read("rows", { table, at: page.at, limit: String(LIMIT), ...parameters });
}

export async function open(box, { options }) {
  const asked = { state: options.get("state") ?? "", queue: options.get("queue") ?? "" };
  const queues = h("tbody");
  const noQueues = h("div");
  const list = h("ul", { class: "job-list" });
  const noJobs = h("div");
  const scheduled = h("ul", { class: "job-list" });
  const noScheduled = h("div");
  const tabs = h("div", { class: "tabs", role: "group", "aria-label": "State of the jobs" });
  const chosen = h("p", { class: "muted" });
  const queueTable = h(
    "table",
    { class: "grid" },
    h("caption", { class: "visually-hidden" }, "Queues"),
    h("thead", {}, h("tr", {}, ["Queue", "Pending", "Running", "Success", "Dead", "Canceled", ""].map((text, place) => h("th", { scope: "col", class: place && text ? "number" : undefined }, text || h("span", { class: "visually-hidden" }, "What to do"))))),
    queues,
  );
  fill(
    box,
    heading("Jobs"),
    h("section", { "aria-labelledby": "queues-title" }, h("h2", { id: "queues-title" }, "Queues"), h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Queues" }, queueTable), noQueues),
    h("section", { "aria-labelledby": "jobs-title" }, h("h2", { id: "jobs-title" }, "Jobs"), tabs, chosen, list, noJobs),
    h("section", { "aria-labelledby": "scheduled-title" }, h("h2", { id: "scheduled-title" }, "Scheduled functions"), scheduled, noScheduled),
  );

  async function loadAll() {
    const where = [asked.state && `state=${asked.state}`, asked.queue && `queue=${JSON.stringify(asked.queue)}`].filter(Boolean);
    const [found, jobs, later] = await Promise.all([
      read("queues", { at: page.at }),
      rowsOf("_jobs", { where, sort: asked.state ? "state" : "", order: "desc" }),
      rowsOf("_scheduled_functions"),
    ]);
    showQueues(found);
    showTabs(found);
    showJobs(jobs.rows);
    showScheduled(later.rows);
  }

  const load = paced(() => loadAll().catch(failure));

  function showQueues(found) {
    queueTable.hidden = !found.queues.length;
    fill(noQueues, found.queues.length ? null : empty("No queues yet", "They come with the first job."));
    reconcile(queues, found.queues, {
      keyOf: (one) => one.name,
      textOf: (one) => `${write(one)}${page.at}`,
      build: (one) => queueRow(one, found),
    });
  }

  function queueRow(one, found) {
    const count = (state) => {
      const value = one.counts[state] ?? 0;
      const text = `${number(value)}${value >= found.countedMax ? "+" : ""}`;
      return h("td", { class: "number" }, value ? h("button", { type: "button", class: "sort", onclick: () => choose(state, one.name) }, text) : h("span", { class: "muted" }, "0"));
    };
    const dead = one.counts.dead ?? 0;
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, one.name, " ", one.isPaused && h("span", { class: "badge paused" }, "paused")),
      ["pending", "running", "success", "dead", "canceled"].map(count),
      h(
        "td",
        {},
        !page.at &&
          h(
            "div",
            { class: "buttons" },
            h("button", { type: "button", onclick: () => changeQueue(one.name, one.isPaused ? "resume" : "pause") }, one.isPaused ? "Resume" : "Pause"),
            dead > 0 && h("button", { type: "button", onclick: () => changeQueue(one.name, "redrive") }, "Run dead again"),
            dead > 0 && h("button", { type: "button", class: "danger", onclick: () => askPurge(one.name, dead) }, "Forget dead"),
          ),
      ),
    );
  }

  function showTabs(found) {
    const totals = {};
    for (const one of found.queues) for (const [state, count] of Object.entries(one.counts)) totals[state] = (totals[state] ?? 0) + count;
    const had = document.activeElement?.dataset?.state;
    fill(
      tabs,
      STATES.map((state) =>
        h("button", { type: "button", "data-state": state || "all", "aria-pressed": String(asked.state === state), onclick: () => choose(state, asked.queue) }, state === "dead" ? "dead letters" : state || "all", state && totals[state] ? ` ${number(totals[state])}` : ""),
      ),
    );
    if (had) tabs.querySelector(`[data-state="${had}"]`)?.focus();
    fill(chosen, asked.queue && [`Queue ${asked.queue} `, h("button", { type: "button", class: "quiet", onclick: () => choose(asked.state, "") }, "all queues")]);
  }

  function choose(state, queue) {
    asked.state = state;
    asked.queue = queue;
    rewrite(asked);
    load();
  }

  function showJobs(rows) {
    fill(noJobs, rows.length ? null : empty(asked.state === "dead" ? "No dead letters" : "No such jobs", asked.state === "dead" ? "Jobs that have failed for good are kept here." : "Enqueued jobs appear here by themselves."));
    reconcile(list, rows, { keyOf: (one) => one._id, textOf: (one) => `${write(one)}${page.at}`, build: jobItem });
  }

  function jobItem(job, before) {
    const isOpen = before?.querySelector("details")?.open ?? false;
    const when = job.completed ?? job.started ?? job.due;
    return h(
      "li",
      { class: "job" },
      h(
        "div",
        { class: "job-head" },
        h("span", { class: `badge ${job.state}` }, job.state),
        h("a", { href: link("functions", job.function), class: "function" }, job.function),
        h("span", { class: "muted" }, `queue ${job.queue}, ${counted(job.attempts, "attempt")}`),
        h("span", { class: "muted" }, job.completed === undefined && job.state === "pending" ? "due " : "", time(when)),
        job.progress && progressOf(job.progress),
        h("span", { class: "revision-tools" }, !page.at && tools(job)),
      ),
      job.errors.length > 0 && h("p", { class: "problem" }, job.errors.at(-1).error),
      h("details", { open: isOpen }, h("summary", {}, "Details"), h("div", { class: "tree" }, idLink(job._id), tree(job.arguments, "arguments"), job.errors.length > 0 && tree(job.errors, "errors"), job.result && tree(job.result, "result"))),
    );
  }

  function tools(job) {
    const button = (label, verb) => h("button", { type: "button", class: "quiet", onclick: () => changeJob(job._id, verb) }, label);
    if (job.state === "pending" || job.state === "running") return button("Cancel", "cancel");
    return [job.state === "dead" && button("Run again", "redrive"), button("Forget", "purge")];
  }

  function showScheduled(rows) {
    fill(noScheduled, rows.length ? null : empty("Nothing is scheduled", "What ctx.scheduler is asked to run later appears here."));
    reconcile(scheduled, rows, {
      keyOf: (one) => one._id,
      textOf: (one) => `${write(one)}${page.at}`,
      build: (one) =>
        h(
          "li",
          { class: "job" },
          h(
            "div",
            { class: "job-head" },
            h("span", { class: `badge ${one.state.kind}` }, one.state.kind.replace("_", " ")),
            h("a", { href: link("functions", one.name), class: "function" }, one.name),
            time(one.completedTime ?? one.scheduledTime),
            idLink(one._id, { isShort: true }),
            h("span", { class: "revision-tools" }, !page.at && one.state.kind === "pending" && h("button", { type: "button", class: "quiet", onclick: () => cancelScheduled(one._id) }, "Cancel")),
          ),
          one.state.error && h("p", { class: "problem" }, one.state.error),
        ),
    });
  }

  async function done(task, text) {
    try {
      const { count } = await task;
      notice(text(count));
    } catch (error) {
      failure(error);
    }
  }

  const changeJob = (id, verb) => done(act("jobs/change", { ids: [id], verb }), (count) => (count ? `The job is ${DONE[verb]}.`.replace("is will", "will") : "It had ended before."));
  const changeQueue = (queue, verb) =>
    done(act("queues/change", { queue, verb }), (count) => (DONE[verb] ? `${counted(count, "job")} ${DONE[verb]}.` : verb === "pause" ? `Queue ${queue} is paused.` : `Queue ${queue} goes on.`));
  const cancelScheduled = (id) => done(act("scheduled/cancel", { ids: [id] }), (count) => (count ? "Canceled." : "It had begun before."));

  function askPurge(queue, count) {
    confirmed("Forget dead letters", `${counted(count, "dead job")} of queue ${queue} will be forgotten.`, "Forget", () => changeQueue(queue, "purge"));
  }

  await loadAll();
  return {
    commits: (batch) => !page.at && touches(batch, "_jobs", "_queues", "_scheduled_functions", "_job_batches") && load(),
    moved: load,
    keys: rowKeys(() => [...list.querySelectorAll("summary")]),
  };
}

function progressOf(progress) {
  const [done, total] = [Number(progress.done), progress.total === null ? null : Number(progress.total)];
  return h("span", { class: "progress" }, total !== null && h("progress", { max: total, value: done, "aria-label": "Progress" }), ` ${number(done)}${total === null ? "" : ` of ${number(total)}`} ${progress.note}`);
}
