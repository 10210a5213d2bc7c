// Pages of a live query keep together, without gaps and repetitions, while rows come and go.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { api, closeAll, http, live, paginated, room, watch } from "./session.mjs";

after(closeAll);

const ranks = (result) => result.results.map((line) => line.rank);

test("more is loaded until all is there", async () => {
  const here = room();
  const client = live();
  const texts = Array.from({ length: 25 }, (_, number) => `${number}`);
  await client.mutation(api.application.sayTogether, { room: here, texts });
  const pages = paginated(client, here, 10);
  let result = await pages.until(({ status }) => status === "CanLoadMore");
  assert.equal(result.results.length, 10);
  result.loadMore(10);
  result = await pages.until(({ results }) => results.length === 20);
  assert.equal(result.status, "CanLoadMore");
  result.loadMore(10);
  result = await pages.until(({ status }) => status === "Exhausted");
  assert.deepEqual(result.results.map((line) => line.text), texts);
});

// A little generator of numbers below n, so that a failure can be had again.
function numbers(seed) {
  let state = seed;
  return (n) => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor((state / 2147483648) * n);
  };
}

for (const seed of [1, 2]) {
  test(`every state shown is a beginning of the rows of that moment: ${seed}`, async () => {
    const here = room();
    const client = live();
    const draw = numbers(seed);
    const texts = Array.from({ length: 30 }, (_, number) => `${number}`);
    await client.mutation(api.application.sayTogether, { room: here, texts });
    const whole = watch(client, api.application.lines, { room: here });
    await whole.until((lines) => lines.length === 30);
    const pages = paginated(client, here, 5);
    await pages.until(({ status }) => status === "CanLoadMore");

    let checked = 0;
    const stop = client.client.addOnTransitionHandler(() => {
      const lines = client.client.localQueryResult("application:lines", { room: here });
      const shown = pages.stop.getCurrentValue();
      if (shown === undefined || lines === undefined) return;
      const expected = lines.map((line) => line.rank).slice(0, shown.results.length);
      assert.deepEqual(ranks(shown), expected);
      checked += 1;
    });
    const writer = http();
    for (let step = 0; step < 30; step++) {
      const lines = await writer.query(api.application.lines, { room: here });
      if (draw(2) === 0) {
        const line = lines[draw(lines.length)];
        await writer.mutation(api.application.unsay, { line: line._id });
      } else {
        const rank = draw(3000) / 100;
        await writer.mutation(api.application.say, { room: here, text: "new", rank });
      }
      if (step % 8 === 7) pages.seen.at(-1).loadMore(4);
    }
    while (pages.seen.at(-1).status !== "Exhausted") {
      const length = pages.seen.length;
      if (pages.seen.at(-1).status === "CanLoadMore") pages.seen.at(-1).loadMore(10);
      await pages.until(() => pages.seen.length > length);
    }
    const lines = await writer.query(api.application.lines, { room: here });
    await pages.until((result) => ranks(result).join() === lines.map((line) => line.rank).join());
    stop();
    assert.ok(checked > 5, `only ${checked} states were seen`);
  });
}
