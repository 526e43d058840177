// One error per direction: keys, configuration, sealing, opening. No message carries a key or a cookie value.

/** A key, a ring or exported day keys were refused. */
export class KeyError extends Error {
  name = 'KeyError'
}

/** A configuration was refused; the message says what to change. */
export class ConfigError extends Error {
  name = 'ConfigError'
}

/** Session state could not be sealed. */
export class SealError extends Error {
  name = 'SealError'
}

/** Bytes were refused as a revocation list. */
export class RevocationsError extends Error {
  name = 'RevocationsError'
}

/** The only error for visitors: there is no session, for any reason. */
export class NoSession extends Error {
  name = 'NoSession'

  constructor() {
    super('no session')
  }
}
