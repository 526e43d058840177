// For a cron job beside your key ring: prints the keys of today and of the days after it, for KV. They open sessions and
// make them, so treat what it prints like a secret.
//
//   SESSION_KEYS="$(cat keys.txt)" node push-keys.js | npx wrangler kv key put --binding KEYS --remote session-keys --path /dev/stdin
//
// The command `sealed-session edge-keys` does the same in Rust.

import { pathToFileURL } from 'node:url'

import { exportDayKeys, parseRing } from 'sealed-session'

/** Sessions end after 12 hours, so one day more than today; and a week in which a push may fail. */
const DAYS = 1 + 1 + 7

export async function sessionKeys(written, { rights = 'open', days = DAYS } = {}) {
  const today = Math.floor(Date.now() / 86_400_000)
  const ahead = Array.from({ length: days }, (_, index) => today + index)
  return JSON.stringify(await exportDayKeys(await parseRing(written), { audience: 'shop', rights, days: ahead }))
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(await sessionKeys(process.env.SESSION_KEYS))
}
