// The server commits a mutation, and dies before the client has the answer.
import assert from "node:assert/strict";
import { api, closeAll, heard, live, room, say, watch } from "./session.mjs";

const here = room();
const client = live();
const lines = watch(client, api.application.lines, { room: here });
await lines.until((seen) => seen.length === 0);
say("connected");
await heard(); // the test lets the next answer be lost
const said = client.mutation(api.application.say, { room: here, text: "once" });
const next = client.mutation(api.application.say, { room: here, text: "after it" });
const id = await said;
await next;
assert.equal(client.connectionState().connectionCount, 2);
assert.deepEqual(lines.seen.at(-1).map((line) => line.text), ["once", "after it"]);
assert.equal(lines.seen.at(-1)[0]._id, id);
await closeAll();
process.exit(0);
