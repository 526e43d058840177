// The contestants in workerd: `/prepare` makes calls ready, and `/run` makes them. The time is taken outside, since the
// clock of a worker may stand still while it computes.

import { OPERATIONS } from './contestants.js'

const ready = new Map()

export default {
  /** @param {Request} request */
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url)
    const [operation, size, times] = ['operation', 'size', 'times'].map((name) => searchParams.get(name))
    if (pathname === '/run') await ready.get(operation)()
    else ready.set(operation, await OPERATIONS[operation](Number(size), Number(times)))
    return new Response()
  },
}
