// Bundled into one module, as wrangler does it for Cloudflare.

import { fetchAnswer } from '../suite.js'

export default { fetch: fetchAnswer }
