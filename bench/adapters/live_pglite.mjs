// The process of Node behind live_pglite.py: a line of JSON in, [verb, argument], a line out.

import { createInterface } from 'node:readline'
import { PGlite } from '@electric-sql/pglite'
import { live } from '@electric-sql/pglite/live'

const [directory, durability] = process.argv.slice(2)
const relaxedDurability = durability !== 'full'
const db = await PGlite.create(directory, { extensions: { live }, relaxedDurability })
await db.exec(`
  CREATE TABLE posts (id serial PRIMARY KEY, channel text NOT NULL, body jsonb NOT NULL);
  CREATE INDEX by_channel ON posts (channel, id);
`)

const subscriptions = []
let channels = 1
let arrived = () => {}

const add = async (post) =>
  (await db.query('INSERT INTO posts (channel, body) VALUES ($1, $2) RETURNING id', [post.channel, post]))
    .rows[0].id

async function watch([count, channelCount, shown]) {
  channels = channelCount
  for (let at = 0; at < count; at++) {
    const subscription = { rows: [] }
    const opened = await db.live.query(
      `SELECT id, body FROM posts WHERE channel = $1 ORDER BY id DESC LIMIT ${Number(shown)}`,
      [String(at % channels)],
      ({ rows }) => {
        subscription.rows = rows
        arrived()
      },
    )
    subscription.rows = opened.initialResults.rows
    subscriptions.push(subscription)
  }
}

async function update(posts) {
  for (const post of posts) {
    const id = await add(post)
    const affected = subscriptions.filter((_, at) => at % channels === Number(post.channel))
    const isShown = () => affected.every(({ rows }) => rows[0]?.id === id)
    if (isShown()) continue
    await new Promise((resolve) => {
      arrived = () => isShown() && resolve()
    })
    arrived = () => {}
  }
}

const verbs = {
  load: (posts) => db.transaction(async (tx) => {
    const text = 'INSERT INTO posts (channel, body) SELECT value ->> \'channel\', value'
      + ' FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY ORDER BY ordinality'
    await tx.query(text, [JSON.stringify(posts)])
  }),
  watch,
  insert: async (posts) => {
    for (const post of posts) await add(post)
  },
  update,
  newest: (at) => subscriptions[at].rows.map(({ body }) => body),
}

for await (const line of createInterface({ input: process.stdin })) {
  const [verb, argument] = JSON.parse(line)
  const answer = (await verbs[verb](argument)) ?? null
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
process.exit(0)
