// Who is signed in over a socket: tokens that are taken, renewed, refused and given up.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { api, closeAll, connection, live, room, token, watch } from "./session.mjs";

after(closeAll);

// What a client was told of being signed in, and when it asked for tokens.
function signIn(client, subject, options = () => ({})) {
  const told = [];
  const asked = [];
  let wake = () => {};
  client.setAuth(
    async ({ forceRefreshToken }) => {
      asked.push(forceRefreshToken);
      const more = options(asked.length);
      wake();
      return more === null ? null : token(subject, more);
    },
    (isAuthenticated) => {
      told.push(isAuthenticated);
      wake();
    },
  );
  const until = async (wanted) => {
    while (!wanted()) await new Promise((resolve) => (wake = resolve));
  };
  return { told, asked, until };
}

test("queries are told anew for who has signed in, and who has signed out", async () => {
  const client = live();
  const who = watch(client, api.application.who, {});
  await who.until((seen) => seen === null);
  signIn(client, "ada");
  await who.until((seen) => seen === "ada");
  signIn(client, "grace");
  await who.until((seen) => seen === "grace");
  client.client.clearAuth();
  await who.until((seen) => seen === null);
  assert.deepEqual(who.seen, [null, "ada", "grace", null]);
});

test("a first token is confirmed, and followed by a fresh one", async () => {
  const client = live();
  const ada = signIn(client, "ada");
  await ada.until(() => ada.told.length > 0 && ada.asked.length === 2);
  assert.deepEqual([ada.told[0], ada.asked], [true, [false, true]]);
  assert.equal(await client.query(api.application.who, {}), "ada");
});

test("a token is renewed before it ends, and nothing is heard of it", async () => {
  const client = live({ authRefreshTokenLeewaySeconds: 2 });
  const who = watch(client, api.application.who, {});
  const ada = signIn(client, "ada", (count) => ({ seconds: count < 3 ? 3 : 3600 }));
  await ada.until(() => ada.asked.length === 3);
  assert.equal(await client.query(api.application.who, {}), "ada");
  assert.ok(!ada.told.includes(false), `${ada.told}`);
  assert.deepEqual(who.seen.filter((seen) => seen !== "ada"), []);
});

test("a token that has ended on the server is replaced, over a new connection", async () => {
  const client = live({ authRefreshTokenLeewaySeconds: 1 });
  const who = watch(client, api.application.who, {});
  // By its own clock the client thinks that the second token lasts for an hour.
  const now = Math.floor(Date.now() / 1000);
  const ada = signIn(client, "ada", (count) =>
    count === 2 ? { at: now - 3598, seconds: 3600 } : {},
  );
  await ada.until(() => ada.asked.length === 3);
  await connection(client, (state) => state.isWebSocketConnected && state.connectionCount === 2);
  assert.equal(await client.query(api.application.who, {}), "ada");
  const here = room();
  await client.mutation(api.application.say, { room: here, text: "still here" });
  assert.deepEqual([...new Set(who.seen)], ["ada"]);
  assert.ok(!ada.told.includes(false), `${ada.told}`);
});

test("a token that is never good is given up, and the client is nobody", async () => {
  const client = live();
  const who = watch(client, api.application.who, {});
  const eve = signIn(client, "eve", () => ({ aud: "others" }));
  await eve.until(() => eve.told.length === 1);
  assert.deepEqual(eve.told, [false]);
  assert.ok(eve.asked.length <= 4, `${eve.asked.length} tokens were asked for`);
  await who.until((seen) => seen === null);
  assert.deepEqual(who.seen, [null]);
});

test("who has no token is told so, and goes on as nobody", async () => {
  const client = live();
  const nobody = signIn(client, "nobody", () => null);
  await nobody.until(() => nobody.told.length === 1);
  assert.deepEqual(nobody.told, [false]);
  assert.equal(await client.query(api.application.who, {}), null);
});

test("the admin token reaches internal functions", async () => {
  const client = live();
  client.client.setAdminAuth(process.env.ADMIN_TOKEN, { subject: "ada", issuer: "https://id.example" });
  assert.equal(await client.query(api.application.secret, {}), "of the house");
  assert.equal(await client.query(api.application.who, {}), "ada");
});
