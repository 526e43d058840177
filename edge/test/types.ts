// Compiles only if the module is what index.d.ts says.
import type * as declared from '../index.d.ts'
import * as written from '../src/index.js'

export const same: typeof declared = written
