// JSON that keeps every type: 1 and 1.0 are two numbers, and large integers stay exact.

/** A number whose spelling counts: JavaScript would write it in another way. */
export class Exact {
  constructor(source) {
    this.source = source;
  }
  valueOf() {
    return Number(this.source);
  }
  toString() {
    return this.source;
  }
}

/** The value of a text; numbers that JavaScript would change become `Exact`. */
export function parse(text) {
  return JSON.parse(text, (_, value, context) => {
    if (typeof value !== "number" || context === undefined) return value;
    return String(value) === context.source ? value : new Exact(context.source);
  });
}

/** A value as exact JSON. */
export function write(value, indent = 0) {
  return written(value, indent, "");
}

function written(value, indent, margin) {
  if (value instanceof Exact) return value.source;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const isList = Array.isArray(value);
  const inner = margin + " ".repeat(indent);
  const items = isList
    ? value.map((item) => written(item, indent, inner))
    : Object.entries(value).map(
        ([name, item]) =>
          `${JSON.stringify(name)}:${indent ? " " : ""}${written(item, indent, inner)}`,
      );
  const [open, close] = isList ? "[]" : "{}";
  if (!items.length) return open + close;
  if (!indent) return open + items.join(",") + close;
  return `${open}\n${inner}${items.join(`,\n${inner}`)}\n${margin}${close}`;
}

/** Whether two values are the same, types included. */
export function same(a, b) {
  if (a === b) return true;
  return a !== undefined && b !== undefined && write(a) === write(b);
}
