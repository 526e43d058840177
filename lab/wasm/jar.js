// A visitor: a client of HTTP with the cookies of one browser.

export class Visitor {
  /** @param {string} origin */
  constructor(origin) {
    this.origin = origin
    /** @type {Map<string, string>} */
    this.cookies = new Map()
  }

  /** Another browser with a copy of the cookies. */
  copy() {
    const copy = new Visitor(this.origin)
    copy.cookies = new Map(this.cookies)
    return copy
  }

  get cookieField() {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  async visit(method, path) {
    const headers = this.cookies.size > 0 ? { Cookie: this.cookieField } : {}
    const response = await fetch(this.origin + path, { method, headers })
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)
      if (/; Max-Age=0(;|$)/i.test(line)) this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
    return { status: response.status, headers: response.headers, page: await response.text() }
  }
}
