// What modules of Node do faster than the functions of the Web.

/**
 * A module of Node, in Node and Bun. It is not imported, so that no bundler looks for it. Deno and workerd have such modules
 * too, which are slower there than the functions of the Web.
 * @type {(name: string) => any}
 */
export function builtin(name) {
  const { navigator, process } = /** @type {any} */ (globalThis)
  if (/^(Deno|Cloudflare-Workers)/.test(navigator?.userAgent)) return undefined
  return process?.getBuiltinModule?.(name)
}
