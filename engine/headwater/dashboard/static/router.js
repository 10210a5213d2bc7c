// Every view has an address: `#/tables/messages?where=author%3DAda&at=...`.

import { setMoment, state } from "./state.js";

/** Where the page is: the name of the view, what it shows, and how. */
export function place() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [view = "", ...rest] = path.split("/").map(decodeURIComponent);
  return { view: view || "tables", subject: rest.join("/"), options: new URLSearchParams(query) };
}

/** The address of a view, at the moment that is looked at. */
export function link(view, subject = "", options = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ at: state.at, ...options })) {
    for (const one of Array.isArray(value) ? value : [value]) if (one) query.append(name, one);
  }
  const path = subject ? `${view}/${encodeURIComponent(subject)}` : view;
  return `#/${path}${query.size ? `?${query}` : ""}`;
}

export function go(view, subject, options) {
  location.hash = link(view, subject, options);
}

/** Change how the view shows something, without a step in the history of the browser. */
export function rewrite(options) {
  const { view, subject } = place();
  history.replaceState(null, "", link(view, subject, options));
}

/** Look at another moment, here. */
export function travel(at) {
  const { options } = place();
  const kept = {};
  for (const name of new Set(options.keys())) if (name !== "at") kept[name] = options.getAll(name);
  setMoment(at);
  rewrite(kept);
}

/** Call back with each place that the page goes to. */
export function onPlace(listener) {
  const arrive = () => {
    const found = place();
    setMoment(found.options.get("at") ?? "");
    listener(found);
  };
  addEventListener("hashchange", arrive);
  arrive();
}

/** Links that were drawn at another moment lead to the one that is looked at when they are used. */
function keepMoment(event) {
  const anchor = event.target.closest?.('a[href^="#/"]');
  if (!anchor) return;
  const [path, query] = anchor.getAttribute("href").split("?");
  const options = new URLSearchParams(query);
  if (state.at) options.set("at", state.at);
  else options.delete("at");
  anchor.setAttribute("href", `${path}${options.size ? `?${options}` : ""}`);
}

addEventListener("click", keepMoment, true);
addEventListener("auxclick", keepMoment, true);
