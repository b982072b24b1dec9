import type { IncomingMessage } from 'node:http'
import { describe, expect, it } from '@jest/globals'
import { AccessPolicy, type Scope, type SecuritySettings } from '../../src/http/security/policy.ts'

const reader = { name: 'grafana', token: 'r'.repeat(32), scopes: ['read'], cidrs: [] } as const
const sender = { name: 'edge', token: 'w'.repeat(32), scopes: ['write'], cidrs: ['10.0.0.0/8'] } as const
const operator = { name: 'ops', token: 'o'.repeat(32), scopes: ['read', 'write', 'operate'], cidrs: [] } as const

const policy = (settings: Partial<SecuritySettings> = {}) =>
  new AccessPolicy({ host: '127.0.0.1', tokens: [], senders: [], allowedOrigins: [], allowedHosts: [], ...settings })
const open = { host: '0.0.0.0', tokens: [reader, sender, operator] }

/** As much of a request as access depends on. */
const request = (headers: Record<string, string> = {}, address = '127.0.0.1', method = 'GET') =>
  ({ headers: { host: 'localhost:4000', ...headers }, method, socket: { remoteAddress: address } }) as unknown as IncomingMessage // the rest is not read

/** The status of the refusal; 0: may. */
const access = (on: AccessPolicy, scope: Scope, token: string | null, address = '10.1.1.1') => {
  const asked = request(token === null ? {} : { authorization: `Bearer ${token}` }, address)
  const caller = on.caller(asked)
  return 'status' in caller ? caller.status : (on.forbids(caller, scope, asked)?.status ?? 0)
}

describe('tokens', () => {
  it('are needed by nobody while only this machine can reach the port', () => {
    for (const scope of ['read', 'write', 'operate'] as const) expect(access(policy(), scope, null, '127.0.0.1')).toBe(0)
  })

  it.each<[string, string | null, number, number, number]>([
    ['none', null, 401, 401, 401],
    ['an unknown one', 'x'.repeat(32), 401, 401, 401],
    ['a shorter one', 'r'.repeat(31), 401, 401, 401],
    ['read', reader.token, 0, 403, 403],
    ['write', sender.token, 403, 0, 403],
    ['operate', operator.token, 0, 0, 0],
  ])('allow their scopes elsewhere: %s', (_, token, read, write, operate) => {
    const on = policy(open)
    expect([access(on, 'read', token), access(on, 'write', token), access(on, 'operate', token)]).toEqual([read, write, operate])
  })

  it('are needed even from this machine when others can reach the port', () => {
    expect(access(policy(open), 'read', null, '127.0.0.1')).toBe(401)
  })

  it('are good only from their ranges', () => {
    expect(access(policy(open), 'write', sender.token, '11.0.0.1')).toBe(403)
    expect(access(policy(open), 'write', sender.token, '::ffff:10.0.0.1')).toBe(0)
  })

  it('do not open what the list of senders closes', () => {
    const on = policy({ ...open, senders: ['192.168.0.0/16'] })
    expect(access(on, 'write', operator.token, '10.1.1.1')).toBe(403)
    expect(access(on, 'write', operator.token, '192.168.3.4')).toBe(0)
    expect(access(on, 'write', operator.token, '127.0.0.1')).toBe(0)
    expect(access(on, 'read', operator.token, '10.1.1.1')).toBe(0)
    // By no other way in either: GraphQL is handed the scopes alone.
    expect(on.caller(request({ authorization: `Bearer ${operator.token}` }, '10.1.1.1'))).toMatchObject({
      scopes: new Set(['read', 'operate']),
    })
  })

  it('mean the same in the first message of a WebSocket', () => {
    const on = policy({ ...open, senders: ['192.168.0.0/16'] })
    expect(on.authenticate('x'.repeat(32), '192.168.3.4')).toBeNull()
    expect(on.authenticate(sender.token, '192.168.3.4')).toBeNull()
    expect(on.authenticate(sender.token, 'edge')).toBeNull()
    expect(on.authenticate(operator.token, '192.168.3.4')).toEqual(new Set(operator.scopes))
    expect(on.authenticate(operator.token, '10.1.1.1')).toEqual(new Set(['read', 'operate']))
  })

  it('are needed where a name only looks like this machine', () => {
    expect(access(policy({ host: '127.evil.example' }), 'read', null)).toBe(401)
  })
})

describe('the name by which a browser came', () => {
  it.each([
    ['localhost:4000', 0],
    ['LOCALHOST', 0],
    ['127.0.0.1:4000', 0],
    ['[::1]:4000', 0],
    ['evil.example', 421],
    ['localhost.evil.example:4000', 421],
  ])('%s on loopback: %d', (host, status) => {
    expect(policy().refusal(request({ host }))?.status ?? 0).toBe(status)
  })

  it('may be allowed by configuration', () => {
    expect(policy({ allowedHosts: ['metrics.example'] }).refusal(request({ host: 'metrics.example' }))).toBeNull()
    expect(policy({ ...open, allowedHosts: ['metrics.example'] }).refusal(request({ host: 'evil.example' }))?.status).toBe(421)
  })
})

describe('pages of other origins', () => {
  it.each([
    ['http://localhost:4000', 'POST', 0],
    ['http://evil.example', 'POST', 403],
    ['http://localhost:3000', 'POST', 403],
    ['null', 'POST', 403],
  ])('%s by %s: %d', (origin, method, status) => {
    expect(policy().refusal(request({ origin }, '127.0.0.1', method))?.status ?? 0).toBe(status)
  })

  it('open no WebSocket', () => {
    expect(policy().refusal(request({ origin: 'http://evil.example', upgrade: 'websocket' }))?.status).toBe(403)
  })

  it('may be allowed by configuration', () => {
    const on = policy({ allowedOrigins: ['https://grafana.example'] })
    expect(on.refusal(request({ origin: 'https://grafana.example' }, '127.0.0.1', 'POST'))).toBeNull()
    expect(on.isAllowedOrigin('https://grafana.example')).toBe(true)
    expect(on.isAllowedOrigin('https://grafana.example.evil')).toBe(false)
  })
})
