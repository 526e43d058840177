// Bundled into one script, as Next.js does it for its middleware.

import { fetchAnswer } from '../suite.js'

addEventListener('fetch', (event) => event.respondWith(fetchAnswer(event.request)))
