// The sessions of all the applications here.

import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createSessions, readRevocations } from 'sealed-session'

/** One file per revoked session: a list that all processes share, and all the bundles into which a framework cuts one. */
const folder = process.env.REVOKED ?? ''

export const sessions = await createSessions({
  // As a function, because builds run this file too, and have no keys.
  keys: () => process.env.SESSION_KEYS ?? '',
  name: 'login-demo',
  audience: 'login-demo',
  cookie: { secure: false },
  revoked: (id) => existsSync(join(folder, id)),
  async revoke(bytes) {
    for (const id of readRevocations(bytes).revoked) await writeFile(join(folder, id), '')
  },
})
