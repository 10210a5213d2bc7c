// What is around every view: where one can go, what database it is, whether it is live.

import { fill, h } from "./dom.js";
import { number } from "./format.js";
import { addKey, showKeys } from "./keys.js";
import { isLive } from "./live.js";
import { go, link } from "./router.js";
import { timeline } from "./timeline.js";

const VIEWS = [
  ["tables", "Tables", "t"],
  ["functions", "Functions", "f"],
  ["log", "Log", "l"],
  ["jobs", "Jobs", "j"],
  ["crons", "Crons", "c"],
  ["files", "Files", "s"],
  ["insights", "Insights", "i"],
];
const THEMES = { auto: "light", light: "dark", dark: "auto" };
const THEME_KEY = "headwater-theme";
const PARTS = { document: "tables", commit: "log" };

export function applyTheme() {
  const theme = localStorage.getItem(THEME_KEY) ?? "auto";
  document.documentElement.dataset.theme = theme;
  return theme;
}

/** The frame of the page; `main` is where views go. */
export function shell(root, overview, signOut) {
  const main = h("main", { id: "main", tabindex: "-1" });
  const nav = h("ul", {}, VIEWS.map(([view, title]) => h("li", {}, h("a", { "data-view": view }, title))));
  const live = h("span", { class: "live", role: "status" });
  const travel = timeline();
  const theme = themeButton();
  fill(
    root,
    h("a", { class: "skip", href: "#main", onclick: (event) => skip(event, main) }, "Skip to content"),
    h(
      "div",
      { class: "shell" },
      h(
        "header",
        { class: "side" },
        h(
          "div",
          { class: "brand" },
          h("img", { src: "icon.svg", alt: "", width: 26, height: 26 }),
          h("strong", { title: overview.name }, overview.name),
          live,
        ),
        h("nav", { "aria-label": "Views" }, nav),
        h(
          "div",
          { class: "side-foot" },
          theme,
          h("button", { type: "button", class: "quiet", onclick: showKeys }, "Keys ", h("kbd", {}, "?")),
          h("button", { type: "button", class: "quiet", onclick: signOut }, "Sign out"),
          h("span", { class: "muted version" }, `Headwater ${overview.version}`),
        ),
      ),
      h("div", { class: "content" }, travel.element, main),
    ),
  );
  for (const [view, , key] of VIEWS) addKey(`g ${key}`, () => go(view));
  addKey("?", showKeys);
  travel.addKeys();
  const showLive = () => {
    live.className = `live${isLive ? " on" : ""}`;
    fill(live, isLive ? "live" : "offline");
  };
  document.addEventListener("headwater-live", showLive);
  showLive();
  return {
    main,
    /** Mark where the page is. */
    mark(view) {
      for (const a of nav.querySelectorAll("a")) {
        a.href = link(a.dataset.view);
        if (a.dataset.view !== (PARTS[view] ?? view)) a.removeAttribute("aria-current");
        else {
          a.setAttribute("aria-current", "page");
          const strip = a.closest("nav");
          strip.scrollLeft = a.offsetLeft - (strip.clientWidth - a.offsetWidth) / 2;
        }
      }
      travel.show();
    },
  };
}

function skip(event, main) {
  event.preventDefault();
  main.focus();
}

function themeButton() {
  const button = h("button", { type: "button", class: "quiet" });
  const show = () => {
    button.textContent = `Theme: ${applyTheme()}`;
  };
  button.addEventListener("click", () => {
    localStorage.setItem(THEME_KEY, THEMES[applyTheme()]);
    show();
  });
  show();
  return button;
}

/** The head of a view. */
export function heading(title, ...beside) {
  document.title = `${title} · Headwater`;
  return h("div", { class: "heading" }, h("h1", { tabindex: "-1" }, title), beside);
}

/** What stands where there is nothing. */
export function empty(title, ...text) {
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), h("p", { class: "muted" }, text));
}

export const countLabel = (table) => `${number(table.documents)}${table.isMore ? "+" : ""}`;
