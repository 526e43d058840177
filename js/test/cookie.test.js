import assert from 'node:assert/strict'
import test from 'node:test'

import { cookieValues, lineOf, nameProblem, readAttributes, withoutCookies, writeCookie, writeRemoval } from '../src/cookie.js'
import { createSessions } from '../src/index.js'
import { SECRET } from './support.js'

const values = (fields) => cookieValues(fields, '__Host-id')

test('cookies are split at semicolons and trimmed of space and tab, nothing else', () => {
  assert.deepEqual(values('__Host-id=a'), ['a'])
  assert.deepEqual(values('x=1;__Host-id=a; \t__Host-id \t=\t b \t;y'), ['a', 'b'])
  assert.deepEqual(values(['x=1', '__Host-id=a', '__Host-id=b']), ['a', 'b'])
  assert.deepEqual(values('__Host-id="a b"'), ['"a b"'])
  assert.deepEqual(values('__Host-id=a=b=='), ['a=b=='])
  assert.deepEqual(values('__Host-id='), [''])
  assert.deepEqual(values('x=a,__Host-id=b'), [])
  for (const nothing of [null, undefined, '', ';;;', '=', '__Host-id', []]) assert.deepEqual(values(nothing), [])
})

test('a name in any other spelling is another name', () => {
  const others = [
    '__%48ost-id',
    '\u2000__Host-id',
    '\u00a0__Host-id',
    '\u0085__Host-id',
    '\ufeff__Host-id',
    '__host-id',
    '"__Host-id"',
    '\v__Host-id',
    '__Host-id\r',
    '__Host-i\u0501',
    '',
    '__Host-id-seen',
  ]
  for (const name of others) assert.deepEqual(values(`${name}=x`), [], JSON.stringify(name))
})

test('a bad neighbour is skipped alone', () => {
  assert.deepEqual(values('\xff\xfe=\x01; \u{1F600}; __Host-id=a; =; x=\xe9'), ['a'])
})

test('scanning takes time in proportion to the header', () => {
  const start = process.hrtime.bigint()
  assert.deepEqual(values(`${' '.repeat(200_000)}x${' '.repeat(200_000)}; __Host-id=a`), ['a'])
  assert.equal(values('__Host-id=;'.repeat(40_000)).length, 40_000)
  assert(process.hrtime.bigint() - start < 2_000_000_000n)
})

test('cookies come as texts, or with the request', async () => {
  const headers = new Headers({ Cookie: 'a=1; __Host-id=x' })
  const request = new Request('https://shop.example/', { headers })
  for (const fields of ['a=1; __Host-id=x', ['a=1', '__Host-id=x'], headers, request, { headers }]) {
    assert.deepEqual(cookieValues(fields, '__Host-id'), ['x'])
    assert.equal(withoutCookies(fields, ['__Host-id']), 'a=1')
  }
  for (const fields of [null, undefined, '', [], new Headers(), new Request('https://shop.example/')]) {
    assert.deepEqual(cookieValues(fields, '__Host-id'), [])
  }
  // A guest for each of them would be a visitor signed out by a mistake in the program.
  for (const fields of [
    [undefined],
    [null],
    5,
    {},
    { cookie: '__Host-id=x' },
    { headers: { cookie: '__Host-id=x' } },
  ]) {
    assert.throws(() => cookieValues(fields, '__Host-id'), { name: 'TypeError', message: /^cookies come as/ })
  }
  const store = new Map([['__Host-id', { value: 'x' }]])
  assert.throws(() => cookieValues(store, '__Host-id'), TypeError)
  const sessions = await createSessions({ keys: SECRET })
  assert.equal((await sessions.open(request)).state, 'rejected')
  assert.equal((await sessions.check(request)).state, 'dead')
  await assert.rejects(sessions.open({ headers: {} }), TypeError)
  for (const tokens of [undefined, {}, { session: 'x', activity: [] }, { session: ['x'], activity: [undefined] }]) {
    await assert.rejects(sessions.openTokens(tokens), { name: 'TypeError', message: /lists of texts/ })
  }
})

test('stripping leaves the neighbours as they are', () => {
  const names = ['__Host-id', '__Host-id-seen']
  assert.equal(
    withoutCookies('a=1; __Host-id=x;b="2 3" ;\t__Host-id-seen=y; __host-id=z; c', names),
    'a=1; b="2 3"; __host-id=z; c',
  )
  assert.equal(withoutCookies(['__Host-id=x', '__Host-id-seen=y'], names), '')
  assert.equal(withoutCookies(null, names), '')
})

test('Set-Cookie lines carry the default attributes', () => {
  const usual = readAttributes('__Host-id')
  const line = (name, value, maxAge, attributes = usual) => lineOf(writeCookie(attributes, name, value, maxAge))
  assert.equal(line('__Host-id', 'v', null), '__Host-id=v; Path=/; Secure; HttpOnly; SameSite=Lax')
  assert.equal(line('id', 'v', 60), 'id=v; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Lax')
  const all = readAttributes('id', { path: '/shop', domain: 'shop.example', sameSite: 'None', partitioned: true })
  assert.equal(
    line('id', 'v', 60, all),
    'id=v; Path=/shop; Domain=shop.example; Max-Age=60; Secure; HttpOnly; SameSite=None; Partitioned',
  )
  const plain = readAttributes('dev', { secure: false, sameSite: 'strict' })
  assert.equal(line('dev', 'v', null, plain), 'dev=v; Path=/; HttpOnly; SameSite=Strict')
  assert.equal(
    lineOf(writeRemoval(usual, '__Host-id')),
    '__Host-id=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=Lax',
  )
})

test('names that browsers and servers read differently are refused', () => {
  for (const name of ['id', '__Host-id', '__Secure-id', '__Http-id', '__Host-Http-id', 'x'.repeat(255)])
    assert.equal(nameProblem(name), null)
  for (const name of ['', 'a b', 'a=b', 'a;b', '\u00e9', '/link', 'x'.repeat(256), '__host-id', '__SECURE-id', 'a\n']) {
    assert.notEqual(nameProblem(name), null, JSON.stringify(name))
  }
})

test('attributes that browsers refuse, ignore or misread are refused', async () => {
  for (const [name, cookie] of [
    ['__Host-id', { path: '/shop' }],
    ['__Host-id', { domain: 'shop.example' }],
    ['__Host-id', { secure: false }],
    ['__Secure-id', { secure: false }],
    ['id', { secure: false, sameSite: 'none' }],
    ['id', { secure: false, partitioned: true }],
    ['id', { sameSite: 'Laxx' }],
    ['id', { sameSite: 'toString' }],
    ['id', { path: 'shop' }],
    ['id', { path: '/a; Domain=evil.example' }],
    ['id', { domain: '.shop.example' }],
    ['id', { domain: 'shop.example; Secure' }],
    ['id', { httpOnly: false }],
    ['id', 'Secure'],
    ['id', null],
  ]) {
    const made = createSessions({ keys: SECRET, name, cookie })
    await assert.rejects(made, { name: 'ConfigError' }, `${name} ${JSON.stringify(cookie)}`)
  }
})
