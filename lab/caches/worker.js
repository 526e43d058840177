// A worker that passes requests on to the origin.

export default {
  fetch(request, env) {
    const { pathname, search } = new URL(request.url)
    return fetch(new Request(env.ORIGIN + pathname + search, request))
  },
}
