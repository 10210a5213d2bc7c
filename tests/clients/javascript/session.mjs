// What the scripts share: the client's address and rooms, watching until something is so, tokens
// of the provider, and a conversation by lines with the test that has started the script.
import { createPrivateKey, randomUUID, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { anyApi } from "convex/server";

export const url = process.env.SERVED_URL;
export const api = anyApi;
export const room = () => randomUUID();

const opened = [];

export function live(options = {}) {
  const client = new ConvexClient(url, { logger: false, ...options });
  opened.push(client);
  return client;
}

export const http = () => new ConvexHttpClient(url, { logger: false });

export async function closeAll() {
  await Promise.all(opened.splice(0).map((client) => client.close()));
}

// All that a query was, in order; an Error where it failed.
export function watch(client, query, args) {
  const seen = [];
  let wake = () => {};
  const note = (value) => {
    seen.push(value);
    wake();
  };
  const stop = client.onUpdate(query, args, note, note);
  return { seen, stop, until: untilLatest(seen, (resume) => (wake = resume)) };
}

// What a paginated query showed, in order.
export function paginated(client, here, initialNumItems) {
  const seen = [];
  let wake = () => {};
  const stop = client.onPaginatedUpdate_experimental(
    api.application.page,
    { room: here },
    { initialNumItems },
    (result) => {
      seen.push(result);
      wake();
    },
  );
  return { seen, stop, until: untilLatest(seen, (resume) => (wake = resume)) };
}

// Waits until the latest of what was seen is as wanted, and gives it.
function untilLatest(seen, onNext) {
  return async (wanted) => {
    while (!(seen.length && wanted(seen.at(-1)))) await new Promise(onNext);
    return seen.at(-1);
  };
}

// Resolves when the connection of a client is so.
export function connection(client, wanted) {
  return new Promise((resolve) => {
    if (wanted(client.connectionState())) return resolve();
    const stop = client.subscribeToConnectionState((state) => {
      if (wanted(state)) {
        stop();
        resolve();
      }
    });
  });
}

export function token(subject, { seconds = 3600, at = Math.floor(Date.now() / 1000), ...more } = {}) {
  const claims = { iss: "https://id.example", aud: "clients", sub: subject, jti: randomUUID() };
  const part = (facts) => Buffer.from(JSON.stringify(facts)).toString("base64url");
  const head = part({ alg: "EdDSA", typ: "JWT", kid: "1" });
  const body = part({ ...claims, iat: at, exp: at + seconds, ...more });
  const key = createPrivateKey(readFileSync(process.env.SIGNING_KEY));
  return `${head}.${body}.${sign(null, Buffer.from(`${head}.${body}`), key).toString("base64url")}`;
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

export const say = (line) => console.log(line);
export const heard = async () => (await lines.next()).value;
