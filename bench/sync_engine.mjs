// stripe-sync-engine behind the smallest server there is: node bench/sync_engine.mjs FOLDER --port N --database URL ...
//
// FOLDER/node_modules holds @supabase/stripe-sync-engine and stripe. POST / is a delivery, POST /history walks the four
// lists one after another, and GET answers once the tables are there.

import cluster from "node:cluster"
import { createServer } from "node:http"
import { createRequire } from "node:module"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"

const LISTS = ["customer", "subscription", "invoice", "charge"]

const { values: chosen, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    port: { type: "string" },
    database: { type: "string" },
    secret: { type: "string", default: "" },
    api: { type: "string" }, // the port of the list server
    processes: { type: "string", default: "1" },
  },
})
const fromFolder = createRequire(join(resolve(positionals[0]), "package.json"))
const { StripeSync, runMigrations } = fromFolder("@supabase/stripe-sync-engine")

function engine() {
  const sync = new StripeSync({
    poolConfig: { connectionString: chosen.database },
    stripeSecretKey: "sk_test_peer",
    stripeWebhookSecret: chosen.secret,
  })
  if (chosen.api) {
    const Stripe = fromFolder("stripe")
    // It has no setting for the address of the API, but its client is a public field.
    sync.stripe = new Stripe("sk_test_peer", { host: "127.0.0.1", port: Number(chosen.api), protocol: "http" })
  }
  return sync
}

async function bodyOf(request) {
  const parts = []
  for await (const part of request) parts.push(part)
  return Buffer.concat(parts)
}

async function answer(sync, request) {
  const body = await bodyOf(request)
  if (request.method !== "POST") return
  if (request.url !== "/history") return sync.processWebhook(body, request.headers["stripe-signature"])
  for (const object of LISTS) await sync.syncBackfill({ object })
}

function serve() {
  const sync = engine()
  const server = createServer(async (request, response) => {
    try {
      await answer(sync, request)
    } catch (error) {
      console.error(error)
      response.statusCode = 500
    }
    response.end()
  })
  server.listen(Number(chosen.port), "127.0.0.1")
}

const processes = Number(chosen.processes)
if (cluster.isPrimary) {
  // It only logs what goes wrong here.
  const logger = { info() {}, error(error) { throw error } }
  await runMigrations({ databaseUrl: chosen.database, schema: "stripe", logger })
}
if (cluster.isPrimary && processes > 1) {
  for (let number = 0; number < processes; number++) cluster.fork()
} else {
  serve()
}
