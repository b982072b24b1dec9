import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isIPv4 } from 'node:net'
import { type Cidr, isInCidr, parseAddress, parseCidr } from '../../stdx/cidr.ts'

export type Scope = 'read' | 'write' | 'operate'

/** Who may do what; plain data, as the configuration gives it. */
export interface SecuritySettings {
  /** The address that is listened on. */
  readonly host: string
  readonly tokens: readonly {
    readonly name: string
    readonly token: string
    readonly scopes: readonly Scope[]
    readonly cidrs: readonly string[]
  }[]
  /** Ranges that samples may come from (loopback always may); empty: any. */
  readonly senders: readonly string[]
  readonly allowedOrigins: readonly string[]
  readonly allowedHosts: readonly string[]
}

/** Who calls. */
export interface Caller {
  readonly scopes: ReadonlySet<Scope>
  /** The token's name, or the address: stands for the sender in limits and log lines. */
  readonly sender: string
}

export interface Refusal {
  readonly status: number
  readonly message: string
}

const ALL: ReadonlySet<Scope> = new Set(['read', 'write', 'operate'])
const NONE: ReadonlySet<Scope> = new Set()

interface Token {
  readonly name: string
  readonly digest: Buffer
  readonly scopes: ReadonlySet<Scope>
  readonly cidrs: readonly Cidr[]
}

/**
 * Decides who a caller is and whether it may come in.
 * - Host: any web page can reach a loopback port under a name of its own (DNS rebinding), so only known names are served.
 * - Origin: a page of another origin is refused, unless it is allowed by configuration.
 * - Token: callers from this machine need none while only this machine can reach the port; otherwise all but health does.
 */
export class AccessPolicy {
  readonly #tokens: readonly Token[]
  readonly #senders: readonly Cidr[]
  readonly #origins: ReadonlySet<string>
  readonly #hosts: ReadonlySet<string>
  readonly #anyHost: boolean
  readonly #isOpen: boolean

  constructor(settings: SecuritySettings) {
    this.#tokens = settings.tokens.map(({ name, token, scopes, cidrs }) => ({
      name,
      digest: digest(token),
      scopes: new Set(scopes),
      cidrs: ranges(cidrs),
    }))
    this.#senders = ranges(settings.senders)
    this.#origins = new Set(settings.allowedOrigins)
    this.#hosts = new Set(
      ['localhost', '127.0.0.1', '[::1]', '::1', settings.host, `[${settings.host}]`, ...settings.allowedHosts].map((host) =>
        host.toLowerCase(),
      ),
    )
    this.#isOpen = isLoopbackHost(settings.host)
    // Where other machines can reach us, tokens guard; names are checked only if some are configured.
    this.#anyHost = !this.#isOpen && settings.allowedHosts.length === 0
  }

  /** Checks Host and Origin. @returns null when the request may go on */
  refusal(request: IncomingMessage): Refusal | null {
    const host = request.headers.host
    if (host !== undefined && !this.#anyHost && !this.#hosts.has(hostName(host))) {
      return { status: 421, message: `host ${JSON.stringify(host)} is not a name of this server: add it to security.allowed_hosts` }
    }
    const origin = request.headers.origin
    if (origin !== undefined && !this.#mayFrom(origin, host) && !isPlainRead(request)) {
      return { status: 403, message: `origin ${JSON.stringify(origin)} may not use this server: add it to security.allowed_origins` }
    }
    return null
  }

  /** Whether a page of this origin may read answers. */
  isAllowedOrigin(origin: string): boolean {
    return this.#origins.has(origin)
  }

  /** Who calls, by token or address. */
  caller(request: IncomingMessage): Caller | Refusal {
    const address = request.socket.remoteAddress ?? ''
    const match = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')
    if (match !== null) {
      const token = this.#find(match[1])
      if (token === null) return { status: 401, message: 'the token is not known' }
      if (!isGoodFrom(token, address)) return { status: 403, message: `token ${token.name} may not be used from ${address}` }
      return { scopes: this.#scopesFrom(token.scopes, address), sender: token.name }
    }
    return { scopes: this.#isOpen ? this.#scopesFrom(ALL, address) : NONE, sender: address }
  }

  /** What a token allows from an address, null if nothing: for the first message of a WebSocket. */
  authenticate(token: string, address: string): ReadonlySet<Scope> | null {
    const known = this.#find(token)
    return known !== null && isGoodFrom(known, address) ? this.#scopesFrom(known.scopes, address) : null
  }

  /** Whether a caller may do what needs a scope. @returns null when it may */
  forbids(caller: Caller, scope: Scope, request: IncomingMessage): Refusal | null {
    if (caller.scopes.has(scope)) return null
    const address = request.socket.remoteAddress ?? ''
    const isKnown = request.headers.authorization !== undefined || caller.scopes.size > 0
    if (isKnown && scope === 'write' && !this.#maySend(address)) {
      return { status: 403, message: `samples from ${address} are not taken: it is in none of security.senders` }
    }
    return caller.scopes.size === 0
      ? { status: 401, message: `a token of scope ${scope} is required: send it as "Authorization: Bearer TOKEN"` }
      : { status: 403, message: `the token of ${caller.sender} has no scope ${scope}` }
  }

  /** Samples come in by more ways than one, GraphQL among them: so the scope itself is not given where they are not taken from. */
  #scopesFrom(scopes: ReadonlySet<Scope>, address: string): ReadonlySet<Scope> {
    return this.#maySend(address) ? scopes : new Set([...scopes].filter((scope) => scope !== 'write'))
  }

  #maySend(address: string): boolean {
    return this.#senders.length === 0 || isLoopbackAddress(address) || isWithin(address, this.#senders)
  }

  #find(token: string): Token | null {
    const wanted = digest(token)
    let found: Token | null = null
    // All of them, always: the time tells nothing.
    for (const known of this.#tokens) if (timingSafeEqual(known.digest, wanted)) found = known
    return found
  }

  #mayFrom(origin: string, host: string | undefined): boolean {
    if (this.#origins.has(origin)) return true
    try {
      return new URL(origin).host === host
    } catch {
      return false
    }
  }
}

/** A simple GET of the Prometheus API changes nothing, and without CORS headers its answer stays unread. */
function isPlainRead({ method, url = '', headers }: IncomingMessage): boolean {
  const isRead = method === 'GET' || method === 'HEAD' || method === 'OPTIONS'
  return isRead && headers.upgrade === undefined && (url.startsWith('/api/v1/') || url.startsWith('/-/'))
}

function isGoodFrom({ cidrs }: Token, address: string): boolean {
  return cidrs.length === 0 || isWithin(address, cidrs)
}

function hostName(host: string): string {
  return host.replace(/:\d+$/, '').toLowerCase()
}

export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || (isIPv4(host) && host.startsWith('127.'))
}

const LOOPBACK = ['127.0.0.0/8', '::1/128'].map((text) => parseCidr(text)!)

function isLoopbackAddress(address: string): boolean {
  return isWithin(address, LOOPBACK)
}

function isWithin(address: string, cidrs: readonly Cidr[]): boolean {
  const bytes = parseAddress(address)
  return bytes !== null && cidrs.some((cidr) => isInCidr(bytes, cidr))
}

function ranges(texts: readonly string[]): Cidr[] {
  return texts.map((text) => {
    const cidr = parseCidr(text)
    if (cidr === null) throw new Error(`${JSON.stringify(text)} is not an address range such as 10.0.0.0/8`)
    return cidr
  })
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
