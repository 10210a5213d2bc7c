// Editing a document as exact JSON, or writing a new one.

import { act } from "./api.js";
import { fill, h } from "./dom.js";
import { Exact, parse, write } from "./exact.js";
import { committed, confirmed, dialog, failure } from "./notices.js";
import { go } from "./router.js";

const SYSTEM = ["_id", "_creationTime"];

/** The fields of a document without those that the database gives. */
export function ownFields(document) {
  return Object.fromEntries(Object.entries(document).filter(([name]) => !SYSTEM.includes(name)));
}

/** Edit a document, or with none, write a new one of a table. */
export function editDocument(document, table) {
  const isNew = document === null;
  const text = write(isNew ? exampleOf(table.schema) : ownFields(document), 2);
  dialog(
    isNew ? `New document of ${table.name}` : "Edit document",
    (close) => form(document, table, text, close),
    { isWide: true },
  );
}

function form(document, table, text, close) {
  const area = h("textarea", {
    id: "editor",
    class: "code",
    autofocus: true,
    rows: Math.min(24, Math.max(8, text.split("\n").length + 1)),
    spellcheck: "false",
    autocomplete: "off",
    "aria-describedby": "editor-problem",
    value: text,
  });
  const problem = h("p", { id: "editor-problem", class: "problem", role: "alert" });
  const save = h("button", { type: "submit", class: "primary" }, document === null ? "Insert" : "Save");
  const made = h(
    "form",
    { class: "editor" },
    h("label", { for: "editor" }, "Fields, as JSON"),
    area,
    h("p", { class: "muted" }, "1 is an integer and 1.0 a float. Ctrl+Enter saves."),
    problem,
    h("div", { class: "buttons" }, h("button", { type: "button", onclick: close }, "Cancel"), save),
  );
  const submit = async () => {
    const wrong = problemOf(area.value);
    if (wrong) return show(wrong);
    save.disabled = true;
    try {
      await send(document, table, area.value);
      close();
    } catch (error) {
      show(error.message);
    } finally {
      save.disabled = false;
    }
  };
  const show = (message) => {
    fill(problem, message);
    area.setAttribute("aria-invalid", "true");
    area.focus();
  };
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit();
  });
  return made;
}

function problemOf(text) {
  try {
    const value = parse(text);
    const isObject = value !== null && typeof value === "object" && !Array.isArray(value);
    return isObject && !(value instanceof Exact) ? "" : "Expected an object of JSON: { … }";
  } catch (error) {
    return error.message;
  }
}

async function send(document, table, text) {
  if (document === null) {
    const done = await act("insert", { table: table.name, text });
    committed("Inserted.", done.ts);
    return;
  }
  const done = await act("replace", { id: document._id, before: write(document), text });
  committed("Saved.", done.ts);
}

/** Delete a document, once that is confirmed. */
export function deleteDocument(id, tableName) {
  confirmed("Delete", "The document will be deleted, and what references to it say. This can be undone.", "Delete", async () => {
    try {
      const done = await act("delete", { ids: [id] });
      committed("Deleted.", done.ts);
      go("tables", tableName);
    } catch (error) {
      failure(error);
    }
  });
}

/** A document to begin with, by the type of a table: its fields that have to be there. */
function exampleOf(schema) {
  const fields = Object.entries(schema?.value ?? {}).filter(([, field]) => !field.optional);
  return Object.fromEntries(fields.map(([name, field]) => [name, exampleValue(field.fieldType)]));
}

/** The simplest value of a type. */
export function exampleValue(type) {
  switch (type.type) {
    case "string":
    case "id":
      return "";
    case "integer":
      return 0;
    case "number":
      return new Exact("0.0");
    case "bigint":
      return { $integer: "AAAAAAAAAAA=" };
    case "boolean":
      return false;
    case "bytes":
      return { $bytes: "" };
    case "array":
      return [];
    case "record":
      return {};
    case "object":
      return exampleOf(type);
    case "literal":
      return type.value;
    case "union":
      return exampleValue(type.value[0]);
    case "refined":
      return exampleValue(type.value);
    default:
      return null;
  }
}
