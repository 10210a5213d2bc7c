// ConvexHttpClient: one request for each call.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConvexError } from "convex/values";
import { api, http, room, token } from "./session.mjs";

test("queries, mutations and actions", async () => {
  const client = http();
  const here = room();
  const id = await client.mutation(api.application.say, { room: here, text: "Hi" });
  assert.equal(typeof id, "string");
  assert.equal(await client.action(api.application.sayByAction, { room: here, text: "Ho" }), 2);
  assert.deepEqual(await client.query(api.application.texts, { room: here }), ["Hi", "Ho"]);
  const [line] = await client.query(api.application.lines, { room: here });
  assert.deepEqual([line._id, line.text, typeof line._creationTime], [id, "Hi", "number"]);
});

test("mutations that are not awaited run in order", async () => {
  const client = http();
  const here = room();
  const texts = Array.from({ length: 20 }, (_, number) => `${number}`);
  const said = texts.map((text) => client.mutation(api.application.say, { room: here, text }));
  await Promise.all(said);
  assert.deepEqual(await client.query(api.application.texts, { room: here }), texts);
});

test("consistent queries are all of one moment", async () => {
  const client = http();
  const here = room();
  await client.mutation(api.application.say, { room: here, text: "before" });
  assert.deepEqual(await client.consistentQuery(api.application.texts, { room: here }), ["before"]);
  await client.mutation(api.application.say, { room: here, text: "after" });
  assert.deepEqual(await client.consistentQuery(api.application.texts, { room: here }), ["before"]);
});

test("errors with data are ConvexErrors", async () => {
  const client = http();
  const refuse = (data) => client.mutation(api.application.refuse, { room: "refusals", data });
  for (const data of [{ code: "SOLD_OUT", left: 3n, at: [null, -0] }, "sold out", null, 1.5]) {
    await assert.rejects(refuse(data), (error) => {
      assert.ok(error instanceof ConvexError);
      assert.deepEqual(error.data, data);
      return true;
    });
  }
  assert.deepEqual(await client.query(api.application.texts, { room: "refusals" }), []);
});

test("other errors say what was wrong with the request", async () => {
  const client = http();
  await assert.rejects(client.query(api.application.secret, {}), /Could not find public function/);
  await assert.rejects(client.query(api.application.texts, {}), /room/);
  await assert.rejects(client.query(api.application.texts, { room: 5 }), /room/);
  await assert.rejects(client.mutation(api.application.texts, { room: "x" }), /[Tt]rying to execute/);
  await assert.rejects(client.mutation(api.served.fail, { how: "other" }), (error) => {
    assert.ok(!(error instanceof ConvexError));
    return /KeyError/.test(error.message);
  });
});

test("a token says who calls", async () => {
  const client = http();
  assert.equal(await client.query(api.application.who, {}), null);
  client.setAuth(token("ada"));
  assert.equal(await client.query(api.application.who, {}), "ada");
  client.setAuth(token("ada", { aud: "others" }));
  await assert.rejects(client.query(api.application.who, {}), /InvalidAuthHeader/);
  client.clearAuth();
  assert.equal(await client.query(api.application.who, {}), null);
});

test("the admin token reaches internal functions", async () => {
  const client = http();
  client.setAdminAuth(process.env.ADMIN_TOKEN, { subject: "ada", issuer: "https://id.example" });
  assert.equal(await client.query(api.application.secret, {}), "of the house");
  assert.equal(await client.query(api.application.who, {}), "ada");
});

test("files go up and down", async () => {
  const client = http();
  const content = Buffer.alloc(3_000_000, "0123456789");
  const sent = await fetch(await client.mutation(api.filing.uploadUrl, {}), {
    method: "POST",
    headers: { "Content-Type": "image/png" },
    body: content,
  });
  const { storageId } = await sent.json();
  const url = await client.query(api.filing.url, { file: storageId });
  const got = await fetch(url);
  assert.equal(got.headers.get("content-type"), "image/png");
  assert.ok(content.equals(Buffer.from(await got.arrayBuffer())));
  const part = await fetch(url, { headers: { Range: "bytes=10-14" } });
  assert.deepEqual([part.status, await part.text()], [206, "01234"]);
  await client.mutation(api.filing.delete, { file: storageId });
  assert.equal((await fetch(url)).status, 404);
});
