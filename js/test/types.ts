// Compiles only if the module is what index.d.ts says.
import type * as declared from '../index.d.ts'
import * as written from '../src/index.js'

export const same: typeof declared = written
export const given = (request: Request): declared.CookieFields[] => [request, request.headers, 'a=1', ['a=1'], null]
