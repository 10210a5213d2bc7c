// One commit: what it did to each document, and taking it back.

import { read } from "./api.js";
import { fill, h } from "./dom.js";
import { write } from "./exact.js";
import { counted, msOf, timeOf, exactTime } from "./format.js";
import { originOf, touchedOf } from "./log.js";
import { confirmed, undo } from "./notices.js";
import { link, travel } from "./router.js";
import { heading } from "./shell.js";
import { differences, idLink } from "./values.js";

export async function open(box, { subject: ts }) {
  const entry = await read("commit", { ts });
  const isOfService = entry.tables.every((one) => one.table.startsWith("_"));
  const facts = [
    ["Time", [timeOf(ts), h("span", { class: "muted" }, ` ${exactTime(msOf(ts))}`)]],
    ["Timestamp", h("code", {}, ts)],
    ["Origin", originOf(entry.origin)],
    entry.origin.requestId && ["Request", h("code", {}, entry.origin.requestId)],
    ...Object.entries(entry.origin.details).map(([name, value]) => [name, detail(value)]),
    entry.arguments && ["Arguments", h("pre", {}, write(entry.arguments, 2))],
    ["Live queries touched", touchedOf(entry) ?? (entry.touched ? "none that is open" : "not known any more")],
  ];
  fill(
    box,
    heading(
      "Commit",
      h(
        "div",
        { class: "buttons" },
        h("button", { type: "button", onclick: () => travel(ts) }, "Look at this moment"),
        !isOfService && h("button", { type: "button", class: "danger", onclick: () => ask(ts, entry) }, "Undo"),
      ),
    ),
    h("dl", { class: "facts" }, facts.filter(Boolean).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    h("h2", {}, counted(entry.count, "document")),
    h("ul", { class: "change-list" }, entry.changes.map(changeOf)),
    entry.count > entry.changes.length && h("p", { class: "muted" }, `The first ${entry.changes.length} are shown.`),
  );
  return {};
}

function ask(ts, entry) {
  confirmed("Undo", `A new commit will take back what this one did to ${counted(entry.count, "document")}.`, "Undo", () => undo(ts));
}

function detail(value) {
  const text = write(value);
  return /^\d{16,19}$/.test(text) ? h("a", { href: link("commit", text) }, text) : h("code", {}, text);
}

function changeOf(change) {
  return h(
    "li",
    { class: "panel" },
    h(
      "div",
      { class: "revision-head" },
      h("span", { class: `badge ${change.kind}` }, change.kind),
      h("a", { href: link("tables", change.table) }, change.table),
      idLink(change.id),
    ),
    differences(change.changed),
  );
}
