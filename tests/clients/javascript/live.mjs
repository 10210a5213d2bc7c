// ConvexClient: one socket for live queries, mutations and actions.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ConvexError } from "convex/values";
import { api, closeAll, http, live, room, watch } from "./session.mjs";

after(closeAll);

test("a query is told now, and after changes that others make", async () => {
  const here = room();
  const texts = watch(live(), api.application.texts, { room: here });
  await texts.until((seen) => seen.length === 0);
  await http().mutation(api.application.say, { room: here, text: "Hi" });
  await texts.until((seen) => seen.length === 1);
  await live().mutation(api.application.say, { room: here, text: "Ho" });
  await texts.until((seen) => seen.length === 2);
  assert.deepEqual(texts.seen, [[], ["Hi"], ["Hi", "Ho"]]);
});

test("who has stopped hears no more, and others do", async () => {
  const client = live();
  const here = room();
  const one = watch(client, api.application.texts, { room: here });
  const other = watch(client, api.application.count, { room: here });
  await one.until(() => true);
  one.stop();
  await client.mutation(api.application.say, { room: here, text: "Hi" });
  await other.until((count) => count === 1);
  assert.deepEqual(one.seen, [[]]);
});

test("all queries of a client are of one moment", async () => {
  const client = live();
  const here = room();
  const count = watch(client, api.application.count, { room: here });
  const texts = watch(client, api.application.texts, { room: here });
  await texts.until(() => true);
  await count.until(() => true);
  const together = [];
  const stop = client.client.addOnTransitionHandler(() => {
    const told = (name) => client.client.localQueryResult(name, { room: here });
    together.push([told("application:count"), told("application:texts").length]);
  });
  const writer = http();
  for (let number = 0; number < 20; number++) {
    await writer.mutation(api.application.say, { room: here, text: "x" });
  }
  await count.until((seen) => seen === 20);
  stop();
  assert.ok(together.length > 0);
  for (const [counted, length] of together) assert.equal(counted, length);
});

test("mutations and actions are answered, and shown before they are", async () => {
  const client = live();
  const here = room();
  const texts = watch(client, api.application.texts, { room: here });
  await texts.until(() => true);
  assert.equal(typeof (await client.mutation(api.application.say, { room: here, text: "Hi" })), "string");
  assert.deepEqual(texts.seen.at(-1), ["Hi"]);
  assert.equal(await client.action(api.application.sayByAction, { room: here, text: "Ho" }), 2);
  await texts.until((seen) => seen.length === 2);
  assert.deepEqual(await client.query(api.application.texts, { room: here }), ["Hi", "Ho"]);
});

test("mutations that are not awaited run in order", async () => {
  const client = live();
  const here = room();
  const said = Array.from({ length: 50 }, (_, number) => `${number}`);
  await Promise.all(said.map((text) => client.mutation(api.application.say, { room: here, text })));
  assert.deepEqual(await client.query(api.application.texts, { room: here }), said);
});

test("an optimistic update shows at once, and gives way to the truth without a gap", async () => {
  const client = live();
  const here = room();
  const texts = watch(client, api.application.texts, { room: here });
  await texts.until(() => true);
  const said = client.mutation(
    api.application.say,
    { room: here, text: "Hi" },
    {
      optimisticUpdate: (store, { room, text }) => {
        const shown = store.getQuery(api.application.texts, { room });
        store.setQuery(api.application.texts, { room }, [...shown, `${text} (sending)`]);
      },
    },
  );
  assert.deepEqual(texts.seen.at(-1), ["Hi (sending)"]);
  await said;
  assert.deepEqual(texts.seen, [[], ["Hi (sending)"], ["Hi"]]);
});

test("an optimistic update is taken back when the mutation fails", async () => {
  const client = live();
  const here = room();
  const texts = watch(client, api.application.texts, { room: here });
  await texts.until(() => true);
  const refused = client.mutation(
    api.application.refuse,
    { room: here, data: "no" },
    { optimisticUpdate: (store, { room }) => store.setQuery(api.application.texts, { room }, ["x"]) },
  );
  assert.deepEqual(texts.seen.at(-1), ["x"]);
  await assert.rejects(refused, (error) => error instanceof ConvexError && error.data === "no");
  await texts.until((seen) => seen.length === 0);
  assert.deepEqual(texts.seen, [[], ["x"], []]);
});

test("errors with data are ConvexErrors, of every kind of function", async () => {
  const client = live();
  const here = room();
  for (const data of [{ code: "SOLD_OUT", left: 3n }, "sold out", null]) {
    await assert.rejects(client.mutation(api.application.refuse, { room: here, data }), (error) => {
      assert.ok(error instanceof ConvexError);
      assert.deepEqual(error.data, data);
      return true;
    });
  }
  const first = watch(client, api.application.first, { room: here });
  const error = await first.until((seen) => seen instanceof ConvexError);
  assert.deepEqual(error.data, { code: "SILENT", room: here });
  await client.mutation(api.application.say, { room: here, text: "Hi" });
  await first.until((seen) => seen === "Hi");
});

test("other errors are plain ones, and leave the connection alone", async () => {
  const client = live();
  await assert.rejects(client.mutation(api.served.fail, { how: "other" }), (error) => {
    assert.ok(!(error instanceof ConvexError));
    return /KeyError/.test(error.message);
  });
  await assert.rejects(client.query(api.application.secret, {}), /Could not find public function/);
  await assert.rejects(client.action(api.application.nothing, {}), /Could not find public function/);
  await assert.rejects(client.mutation(api.application.say, { room: 5 }), /room|text/);
  assert.equal(client.connectionState().connectionCount, 1);
});

test("a transition of many megabytes arrives", async () => {
  const client = live();
  const here = room();
  const text = "x".repeat(900_000);
  const kept = watch(client, api.application.kept, { room: here });
  for (let number = 0; number < 8; number++) {
    await http().mutation(api.application.keep, { room: here, value: text });
  }
  const values = await kept.until((seen) => seen.length === 8);
  assert.ok(values.every((value) => value === text));
});

test("while all is well, the client has nothing to complain of", async () => {
  const said = [];
  const note = (...words) => said.push(words.join(" "));
  const client = live({ logger: { logVerbose: () => {}, log: note, warn: note, error: note } });
  const here = room();
  const texts = watch(client, api.application.texts, { room: here });
  await client.mutation(api.application.say, { room: here, text: "Hi" });
  await texts.until((seen) => seen.length === 1);
  assert.deepEqual(said, []);
});
