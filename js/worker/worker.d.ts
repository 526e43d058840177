import type { Sessions } from '../index.d.ts'

/** The two functions of a `Cache` that the worker uses. */
export interface PageCache {
  match(request: Request): Promise<Response | undefined>
  put(request: Request, response: Response): Promise<void>
}

/** What `fetch` reads of its second argument, or else of the environment. */
export interface Env {
  /** The URL of the server behind the worker. */
  ORIGIN: string
  /** Exported day keys as JSON. */
  SESSION_DAY_KEYS: string
  /** Default: `caches.default` of the runtime, or one of its named caches. */
  CACHE?: PageCache
}

/** A worker in front of an origin: guests get public pages from its cache, live sessions go through to the origin. */
declare const worker: { fetch(request: Request, env?: unknown): Promise<Response> }
export default worker

/** Answers one request; `now` in Unix seconds, by default the clock. */
export function handle(
  request: Request,
  setting: { sessions: Sessions; origin: string; cache: PageCache; now?: number },
): Promise<Response>
