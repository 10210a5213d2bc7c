// Asking the server. The token is kept for this tab only, and goes out in a header.

import { parse, write } from "./exact.js";

const KEY = "headwater-admin-token";
const API = new URL("api/", document.baseURI);

/** An answer that says no. */
export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

let signedOut = () => {};

/** Call back when the token is not good any more. */
export function onSignedOut(listener) {
  signedOut = listener;
}

/** The token was refused. */
export function leave() {
  signedOut();
}

export const token = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (text) => sessionStorage.setItem(KEY, text),
  forget: () => sessionStorage.removeItem(KEY),
};

/** Read something: `read("rows", { table: "messages", where: ["a=1"] })`. */
export async function read(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") query.append(name, one);
    }
  }
  return answered(await request("GET", `${path}?${query}`));
}

/** Do something. */
export async function act(path, facts) {
  return answered(await request("POST", path, write(facts)));
}

/** The bytes of a stored file. */
export async function download(id) {
  const response = await request("GET", `file?${new URLSearchParams({ id })}`);
  if (!response.ok) await answered(response);
  return response.blob();
}

/** A connection on which the server tells of something; the first message is sent. */
export function connect(facts) {
  const url = new URL("live", API);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(url);
  socket.addEventListener("open", () => socket.send(write({ ...facts, token: token.get() })));
  return socket;
}

async function request(method, path, body) {
  const headers = { authorization: `Convex ${token.get()}` };
  if (body !== undefined) headers["content-type"] = "application/json";
  try {
    return await fetch(new URL(path, API), { method, headers, body, cache: "no-store" });
  } catch {
    throw new ApiError(0, "Unreachable", "The server does not answer.");
  }
}

async function answered(response) {
  const text = await response.text();
  let facts;
  try {
    facts = parse(text);
  } catch {
    throw new ApiError(response.status, "Unreadable", `The server answered ${response.status}.`);
  }
  if (response.ok) return facts;
  if (response.status === 401) leave();
  throw new ApiError(response.status, facts.code, facts.message);
}
