// The server is killed again and again while a client sends mutations.
import assert from "node:assert/strict";
import { api, closeAll, live, room, say, watch } from "./session.mjs";

const here = room();
const client = live();
const texts = watch(client, api.application.texts, { room: here });
await texts.until(() => true);

const COUNT = 160;
const AT_ONCE = 10;
const expected = Array.from({ length: COUNT }, (_, number) => `${number}`);
let sent = 0;
let answered = 0;

async function send() {
  while (sent < COUNT) {
    await client.mutation(api.application.say, { room: here, text: expected[sent++] });
    answered += 1;
    if (answered % 80 === 40) say(`${answered}`); // the test kills the server now
  }
}

await Promise.all(Array.from({ length: AT_ONCE }, send));
await texts.until((seen) => seen.length >= COUNT);
assert.deepEqual(texts.seen.at(-1), expected);
for (const seen of texts.seen) assert.deepEqual(seen, expected.slice(0, seen.length));
assert.ok(client.connectionState().connectionCount > 2);
say("done");
await closeAll();
process.exit(0);
