// What Node's own modules do faster than the Web's functions. Deno and Bun have them too.

/**
 * A module of Node, where there is one. It is not imported, so that no bundler looks for it. In workerd they are slower
 * than the Web's functions.
 * @type {(name: string) => any}
 */
export function builtin(name) {
  const { navigator, process } = /** @type {any} */ (globalThis)
  if (navigator?.userAgent === 'Cloudflare-Workers') return undefined
  return process?.getBuiltinModule?.(name)
}
