// The connection breaks, and the server is still there.
import assert from "node:assert/strict";
import { api, closeAll, connection, heard, live, paginated, room, say, token, watch } from "./session.mjs";

const here = room();
const client = live();
client.setAuth(async () => token("ada"));
const who = watch(client, api.application.who, {});
await who.until((seen) => seen === "ada");
const texts = Array.from({ length: 10 }, (_, number) => `${number}`);
await client.mutation(api.application.sayTogether, { room: here, texts });
const lines = watch(client, api.application.lines, { room: here });
await lines.until((seen) => seen.length === 10);
const pages = paginated(client, here, 5);
await pages.until((seen) => seen.results.length === 5);
const hung = client.action(api.application.hang, {});
hung.catch(() => {});

for (let round = 1; round <= 3; round++) {
  say("connected");
  await heard(); // the test cuts the connection
  await connection(client, (state) => state.connectionCount > round && state.isWebSocketConnected);
  // The page keeps its end: what comes into it makes it longer.
  await client.mutation(api.application.say, { room: here, text: "new", rank: 1.5 });
  assert.equal(pages.seen.at(-1).results.length, 5 + round);
  assert.equal(lines.seen.at(-1).length, 10 + round);
}
await assert.rejects(hung, /Connection lost while action was in flight/);
assert.equal(client.connectionState().connectionCount, 4);
assert.equal(await client.query(api.application.who, {}), "ada");
assert.deepEqual([...new Set(who.seen)].slice(-1), ["ada"]);
await closeAll();
process.exit(0);
