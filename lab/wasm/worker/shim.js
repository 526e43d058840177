// What `worker-build` puts around a module: gives it what it imports, and its `fetch` to the runtime.

import module from './index_bg.wasm'
import * as imports from './index_bg.js'

const instance = new WebAssembly.Instance(module, { './index_bg.js': imports })
imports.__wbg_set_wasm(instance.exports)
instance.exports.__wbindgen_start()

export default { fetch: (request, env, context) => imports.fetch(request, env, context) }
