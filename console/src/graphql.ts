/** The one way to the server: POST of a document. Errors are told apart by who can do something about them. */

export interface FieldError {
  readonly message: string
  readonly path?: readonly (string | number)[]
  readonly extensions?: { readonly code?: string }
}

export interface GraphqlAnswer<Data> {
  readonly data: Data | null
  readonly errors: readonly FieldError[]
}

/** The server wants a token, or does not know the one it got. */
export class TokenNeeded extends Error {
  readonly refused: boolean

  constructor(refused: boolean) {
    super(refused ? 'the server does not accept this token' : 'the server wants a token')
    this.refused = refused
  }
}

/** The server can't be reached, or what answers is not Tidemark. */
export class ServerAway extends Error {}

const TOKEN_KEY = 'tidemark.token'

/** Kept for this tab alone. */
export const token = {
  get: (): string | null => sessionStorage.getItem(TOKEN_KEY),
  set: (value: string): void => sessionStorage.setItem(TOKEN_KEY, value),
  clear: (): void => sessionStorage.removeItem(TOKEN_KEY),
}

/** @throws TokenNeeded, ServerAway; AbortError when the signal aborts. What single fields got wrong stands in `errors`. */
export async function ask<Data>(document: string, variables: Record<string, unknown>, signal: AbortSignal): Promise<GraphqlAnswer<Data>> {
  const given = token.get()
  const headers: Record<string, string> = { 'content-type': 'application/json', accept: 'application/json' }
  if (given) headers.authorization = `Bearer ${given}`
  let response: Response
  try {
    response = await fetch('/graphql', { method: 'POST', headers, body: JSON.stringify({ query: document, variables }), signal })
  } catch (error) {
    if (signal.aborted) throw error
    throw new ServerAway('the server does not answer')
  }
  if (response.status === 401) throw new TokenNeeded(given !== null)
  let body: { data?: Data | null; errors?: FieldError[] }
  try {
    body = await response.json()
  } catch (error) {
    if (signal.aborted) throw error
    throw new ServerAway(`the server answered with status ${response.status}`)
  }
  if (typeof body !== 'object' || body === null || (body.data === undefined && body.errors === undefined)) {
    throw new ServerAway(`the server answered with status ${response.status}`)
  }
  return { data: body.data ?? null, errors: body.errors ?? [] }
}

/** As `ValueColumn` carries it. */
export type JsonValue = number | 'NaN' | '+Inf' | '-Inf' | null

export interface Label {
  readonly name: string
  readonly value: string
}

export interface RangeAnswer {
  readonly timestamps: readonly number[]
  readonly series: readonly { readonly labels: readonly Label[]; readonly text: string; readonly values: readonly JsonValue[] }[]
  readonly seriesTotal: number
  readonly warnings: readonly string[]
  readonly infos: readonly string[]
}

export interface TopicPartition {
  readonly partition: number
  readonly startOffset: number
  readonly endOffset: number
  readonly lagRecords: number
}

export interface ServerAnswer {
  readonly version: string
  readonly now: number
  readonly freshness: { readonly asOf: string; readonly ageMs: number } | null
  readonly topics: readonly { readonly name: string; readonly lagRecords: number; readonly depthRecords: number }[] | null
}
