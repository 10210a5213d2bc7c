// One document: what it is, what it was, and who changed it.

import { act, read } from "./api.js";
import { fill, h, paced, reconcile } from "./dom.js";
import { deleteDocument, editDocument } from "./editor.js";
import { write } from "./exact.js";
import { counted, timeOf } from "./format.js";
import { touches } from "./live.js";
import { committed, failure } from "./notices.js";
import { link, travel } from "./router.js";
import { empty, heading } from "./shell.js";
import { state } from "./state.js";
import { changedFields, differences, tree } from "./values.js";
import { originOf } from "./log.js";

const WORDS = { insert: "inserted", update: "changed", delete: "deleted" };

export async function open(box, { subject: id }) {
  let found = { document: null, table: null };
  let revisions = [];
  const edit = h("button", { type: "button", onclick: () => editDocument(found.document) }, "Edit");
  const remove = h("button", { type: "button", class: "danger", onclick: () => deleteDocument(id, found.table.name) }, "Delete");
  const copy = h("button", { type: "button", onclick: () => copyText(write(found.document, 2), copy) }, "Copy JSON");
  const title = heading("Document", h("div", { class: "buttons" }, copy, edit, remove));
  const trail = h("p", { class: "trail" });
  const fields = h("div", { class: "tree" });
  const past = h("ol", { class: "history" });
  const count = h("span", { class: "muted" });
  fill(
    box,
    title,
    trail,
    h(
      "div",
      { class: "columns" },
      h("section", { class: "panel", "aria-labelledby": "fields-title" }, h("h2", { id: "fields-title" }, "Fields"), fields),
      h("section", { class: "panel", "aria-labelledby": "history-title" }, h("h2", { id: "history-title" }, "History ", count), past),
    ),
  );

  async function loadAll() {
    const [one, all] = await Promise.all([
      read("document", { id, at: state.at }),
      read("history", { id }),
    ]);
    found = one;
    revisions = all.revisions;
    show(all.count);
  }

  const load = paced(() => loadAll().catch(failure));

  function show(total) {
    const { document, table } = found;
    const isWritable = document !== null && !state.at && !table.isService && !table.projection;
    edit.hidden = remove.hidden = !isWritable;
    copy.hidden = document === null;
    fill(trail, table && [h("a", { href: link("tables", table.name) }, table.name), " / "], h("code", {}, id));
    const shown = write(document);
    if (fields.shownText !== shown) {
      fields.shownText = shown;
      fill(fields, document === null ? goneText() : Object.entries(document).map(([name, value]) => tree(value, name, 1)));
    }
    fill(count, total ? counted(total, "version") : "");
    reconcile(past, revisions, {
      keyOf: (one) => one.ts,
      textOf: (one) => `${write(one)} ${state.at} ${one === revisions[0] && document !== null}`,
      build: (one) => revisionOf(one),
    });
  }

  function goneText() {
    if (state.at) return empty("Not there at that moment", "It came later, or had been deleted.");
    return revisions.length ? empty("Deleted", "Its history tells what it was.") : empty("No such document", "There is none with that id, and there was none.");
  }

  function revisionOf(one) {
    const isShown = isAt(one);
    const changed = one.kind === "update" ? one.changed : changedFields(one.kind === "delete" ? fieldsOf(before(one)) : {}, fieldsOf(one.document));
    return h(
      "li",
      { class: `revision ${one.kind}${isShown ? " shown" : ""}`, "aria-current": isShown ? "true" : undefined },
      h(
        "div",
        { class: "revision-head" },
        h("span", { class: `badge ${one.kind}` }, WORDS[one.kind]),
        h("a", { href: link("commit", one.ts) }, timeOf(one.ts)),
        h("span", { class: "muted" }, originOf(one.origin)),
        h(
          "span",
          { class: "revision-tools" },
          h("button", { type: "button", class: "quiet", onclick: () => travel(one.ts) }, "Look"),
          !state.at && one !== revisions[0] && one.document !== null &&
            h("button", { type: "button", class: "quiet", onclick: () => restore(one) }, "Restore"),
        ),
      ),
      h("details", { open: one === revisions[0] }, h("summary", {}, fieldsText(one, changed)), differences(changed)),
      one.isCut && h("p", { class: "muted" }, "What was before has been trimmed from the log."),
    );
  }

  const before = (one) => revisions[revisions.indexOf(one) + 1]?.document ?? null;

  /** Whether a version is the one of the moment that is looked at. */
  function isAt(one) {
    if (!state.at) return one === revisions[0] && one.document !== null;
    return revisions.find((other) => BigInt(other.ts) <= BigInt(state.at)) === one;
  }

  async function restore(one) {
    try {
      // What has changed since is what one wants to go back from.
      const done = await act("restore", { id, ts: one.ts, override: true });
      committed("Restored.", done.ts);
    } catch (error) {
      failure(error);
    }
  }

  await loadAll();
  return {
    commits: (batch) => (batch.isCut || batch.entries.some((one) => one.changes.some((c) => c.id === id) || one.count > one.changes.length)) && touches(batch, found.table?.name ?? "") && load(),
    moved: load,
    keys: {
      e: () => !edit.hidden && edit.click(),
    },
  };
}

const fieldsOf = (document) =>
  document && Object.fromEntries(Object.entries(document).filter(([name]) => name[0] !== "_"));

function fieldsText(one, changed) {
  const names = Object.keys(changed);
  if (!names.length) return "no field differs";
  const shown = names.slice(0, 4).join(", ");
  return names.length > 4 ? `${shown} and ${names.length - 4} more` : shown;
}

async function copyText(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed";
  }
  setTimeout(() => {
    button.textContent = "Copy JSON";
  }, 1500);
}
