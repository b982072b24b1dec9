import { CliError } from './cli-error.ts'
import type { ClientFlags } from './program.ts'

/** Asks a running server; resolves with the body of its answer. @throws CliError with what the server said, or that none answers. */
export async function ask(
  { url, token }: ClientFlags,
  path: string,
  init: { method: 'GET' | 'POST'; form?: URLSearchParams },
): Promise<unknown> {
  if (!URL.canParse(url)) throw new CliError(`expected a URL such as http://127.0.0.1:4000, met "${url}"`)
  let response: Response
  try {
    response = await fetch(`${url}${path}`, {
      method: init.method,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      ...(init.form && { body: init.form }),
    })
  } catch (error) {
    throw new CliError(`no server answers at ${url} (${reasonOf(error)}); is "tidemark serve" running there?`, { cause: error })
  }
  const text = await response.text()
  if (response.ok) return text === '' ? null : parse(text, url)
  if (response.status === 401) throw new CliError(`${url} asks for a token: give one by TIDEMARK_TOKEN or --token`)
  throw new CliError(`${url} answered ${response.status}: ${errorOf(text)}`)
}

function parse(text: string, url: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new CliError(`${url} did not answer with JSON: ${text.slice(0, 200)}`, { cause })
  }
}

/** The error of the Prometheus API's envelope, or the text as it came. */
function errorOf(text: string): string {
  try {
    const body: unknown = JSON.parse(text)
    if (typeof body === 'object' && body !== null && 'error' in body) return String(body.error)
  } catch {
    // Not JSON: a proxy, or another program.
  }
  return text.trim().slice(0, 500)
}

function reasonOf(error: unknown): string {
  for (let cause = error; typeof cause === 'object' && cause !== null; cause = 'cause' in cause ? cause.cause : null) {
    if ('code' in cause && typeof cause.code === 'string') return cause.code
  }
  return String(error)
}
