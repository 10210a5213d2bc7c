// Every value of Convex goes to the server and comes back as it was, by both transports.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { api, closeAll, http, live, room, watch } from "./session.mjs";

after(closeAll);

const bytes = (...numbers) => new Uint8Array(numbers).buffer;

const VALUES = {
  null: null,
  booleans: [true, false],
  wholes: [0, 1, -1, 2 ** 53, -(2 ** 53)],
  fractions: [0.1, 1.5, 1e300, Number.MIN_VALUE, Number.MAX_VALUE],
  "minus zero": -0,
  "not a number": NaN,
  infinities: [Infinity, -Infinity],
  bigints: [0n, 3n, -1n, 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)],
  texts: ["", "text", "\u0000", "\u{1f600}", "\u2028", "é".repeat(70_000)],
  bytes: [bytes(), bytes(0, 255), bytes(...Array(256).keys())],
  arrays: [[], [[]], [[null], [1, [2n]]]],
  objects: [{}, { a: {} }, { a: { b: [{ c: -0, d: 1n, e: bytes(1) }] } }],
};

const client = live();

for (const [name, value] of Object.entries(VALUES)) {
  test(`over HTTP: ${name}`, async () => {
    assert.deepEqual(await http().query(api.served.echo, { value }), value);
  });

  test(`over the socket, and kept: ${name}`, async () => {
    const here = room();
    assert.deepEqual(await client.query(api.served.echo, { value }), value);
    const kept = watch(client, api.application.kept, { room: here });
    await kept.until((values) => values.length === 0);
    await client.mutation(api.application.keep, { room: here, value });
    assert.deepEqual(await kept.until((values) => values.length === 1), [value]);
    kept.stop();
  });
}

test("undefined is left out", async () => {
  const value = { a: undefined, b: { c: undefined, d: 1 } };
  assert.deepEqual(await http().query(api.served.echo, { value }), { b: { d: 1 } });
  assert.deepEqual(await client.query(api.served.echo, { value }), { b: { d: 1 } });
  assert.equal(await client.query(api.served.echo, { value: undefined }), null);
});

test("numbers become what the parameter says", async () => {
  const shown = await client.query(api.served.kinds, {
    whole: 3,
    number: 3,
    big: 3n,
    either: 3n,
    newName: 4,
  });
  assert.deepEqual(shown.slice(0, 3), ["3", "3.0", "Int64(3)"]);
  assert.deepEqual([shown[4], shown[7]], ["Int64(3)", "4"]);
  await assert.rejects(client.query(api.served.kinds, { whole: 1.5 }), /whole/);
});
