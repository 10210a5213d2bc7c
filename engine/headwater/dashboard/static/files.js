// Stored files: what there is, looking at one, taking it along, deleting it.

import { act, download } from "./api.js";
import { fill, h, paced, reconcile } from "./dom.js";
import { write } from "./exact.js";
import { bytes, counted, time } from "./format.js";
import { rowKeys } from "./keys.js";
import { rowsOf } from "./jobs.js";
import { touches } from "./live.js";
import { confirmed, dialog, failure, notice } from "./notices.js";
import { link } from "./router.js";
import { empty, heading } from "./shell.js";
import { state } from "./state.js";
import { idLink } from "./values.js";

const SHOWN_BYTES = 4 * 1024 * 1024;
const TEXT_CHARACTERS = 20_000;
const IMAGES = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"];

export async function open(box) {
  const body = h("tbody");
  const nothing = h("div");
  const status = h("p", { class: "muted status" });
  const columns = ["Name", "Type", "Size", "Stored", "Id", ""];
  const grid = h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "Stored files" },
    h(
      "table",
      { class: "grid" },
      h("caption", { class: "visually-hidden" }, "Stored files"),
      h("thead", {}, h("tr", {}, columns.map((text) => h("th", { scope: "col" }, text || h("span", { class: "visually-hidden" }, "What to do"))))),
      body,
    ),
  );
  fill(box, heading("Files", state.tables.has("_storage_accesses") && h("a", { href: link("tables", "_storage_accesses") }, "Who read what")), grid, nothing, status);

  async function loadAll() {
    const found = await rowsOf("_storage");
    grid.hidden = !found.rows.length;
    fill(nothing, found.rows.length ? null : empty("No files", "What ctx.storage and db.storage keep appears here."));
    fill(status, found.hasMore ? `The newest ${counted(found.rows.length, "file")} are shown.` : "");
    reconcile(body, found.rows, { keyOf: (one) => one._id, textOf: (one) => `${write(one)}${state.at}`, build: fileRow });
  }

  function fileRow(one) {
    const name = one.filename ?? "no name";
    return h(
      "tr",
      { tabindex: "0", onkeydown: (event) => event.key === "Enter" && event.target === event.currentTarget && look(one) },
      h("td", { class: one.filename === null ? "muted" : undefined, title: name }, name),
      h("td", {}, one.contentType ?? h("span", { class: "muted" }, "unknown")),
      h("td", { class: "number", title: `${one.size} bytes` }, bytes(one.size)),
      h("td", {}, time(one._creationTime)),
      h("td", {}, idLink(one._id, { isShort: true })),
      h(
        "td",
        {},
        h(
          "div",
          { class: "buttons" },
          canShow(one) && h("button", { type: "button", onclick: () => look(one) }, "Look"),
          h("button", { type: "button", onclick: () => save(one) }, "Download"),
          !state.at && h("button", { type: "button", class: "danger", onclick: () => ask(one) }, "Delete"),
        ),
      ),
    );
  }

  function ask(one) {
    confirmed("Delete file", `${one.filename ?? one._id} will be deleted.`, "Delete", async () => {
      try {
        await act("file/delete", { id: one._id });
        notice("The file is deleted.");
      } catch (error) {
        failure(error);
      }
    });
  }

  const load = paced(() => loadAll().catch(failure));
  await loadAll();
  return {
    commits: (batch) => !state.at && touches(batch, "_storage") && load(),
    moved: load,
    keys: rowKeys(() => [...body.children]),
  };
}

const isText = (type) => /^text\/|json$|xml$|javascript$/.test(type ?? "");

const canShow = (one) => Number(one.size) <= SHOWN_BYTES && (IMAGES.includes(one.contentType) || isText(one.contentType));

/** Show a file: pictures as pictures, and everything else that is text as text. */
async function look(one) {
  if (!canShow(one)) return;
  try {
    const content = await download(one._id);
    const name = one.filename ?? one._id;
    if (isText(one.contentType)) {
      const text = await content.text();
      const shown = text.length > TEXT_CHARACTERS ? `${text.slice(0, TEXT_CHARACTERS)}…` : text;
      dialog(name, () => h("pre", { tabindex: "0" }, shown), { isWide: true });
      return;
    }
    const address = URL.createObjectURL(new Blob([content], { type: one.contentType }));
    const picture = h("img", { src: address, alt: name, class: "picture", onload: () => URL.revokeObjectURL(address) });
    dialog(name, () => picture, { isWide: true });
  } catch (error) {
    failure(error);
  }
}

async function save(one) {
  try {
    const address = URL.createObjectURL(await download(one._id));
    h("a", { href: address, download: one.filename ?? one._id }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  } catch (error) {
    failure(error);
  }
}
