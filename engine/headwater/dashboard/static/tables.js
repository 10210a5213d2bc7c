// All tables, with how much is in them; one of them is shown by its rows.

import { fill, h, paced } from "./dom.js";
import { counted } from "./format.js";
import { rowKeys } from "./keys.js";
import { failure } from "./notices.js";
import { link } from "./router.js";
import { openTable } from "./rows.js";
import { countLabel, empty, heading } from "./shell.js";
import { loadTables, state } from "./state.js";

export function open(box, { subject, options }) {
  return subject ? openTable(box, subject, options) : openTables(box);
}

async function openTables(box) {
  const list = h("div", { class: "cards" });
  fill(box, heading("Tables"), list);
  function show() {
    const shown = [...state.tables.values()].filter((one) => !one.isService || one.documents);
    if (!shown.length) {
      fill(list, empty("No tables yet", "They come with the first document, or with a module that declares them."));
      return;
    }
    fill(list, cardsOf("Of the application", shown.filter((one) => !one.isService)),
      cardsOf("Of services", shown.filter((one) => one.isService)));
  }
  const load = paced(async () => {
    try {
      await loadTables();
      show();
    } catch (error) {
      failure(error);
    }
  }, 500);
  show();
  return {
    commits: load,
    moved: load,
    keys: rowKeys(() => [...list.querySelectorAll(".card")]),
  };
}

function cardsOf(title, tables) {
  if (!tables.length) return null;
  return h(
    "section",
    { "aria-label": title },
    h("h2", {}, title),
    h(
      "ul",
      { class: "card-list" },
      tables.map((table) =>
        h(
          "li",
          {},
          h(
            "a",
            { class: "card", href: link("tables", table.name), "data-key": table.name },
            h("span", { class: "card-title" }, table.name),
            h("span", { class: "card-number" }, countLabel(table)),
            h("span", { class: "muted" }, indexText(table)),
          ),
        ),
      ),
    ),
  );
}

function indexText(table) {
  const building = table.indexes.filter((one) => one.state !== "ready").length;
  const text = counted(table.indexes.length, "index").replace("indexs", "indexes");
  return building ? `${text}, ${building} being filled` : text;
}
