export const load = async ({ fetch }) => ({ visitor: await (await fetch('/api')).json() })
