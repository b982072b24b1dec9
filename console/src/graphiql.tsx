import { GraphiQL, type GraphiQLProps } from 'graphiql'
import { getOperationAST, parse } from 'graphql'
import { createClient } from 'graphql-ws'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import 'graphiql/style.css'
import './graphiql.css'
import { token } from './graphql.ts'

const start = `# PromQL inside GraphQL: run this with Ctrl-Enter.
# The schema stands behind the book at the left.
query Tour {
  server {
    version
    freshness { ageMs }
  }
  metrics(first: 5) {
    nodes { name type help }
  }
  instantQuery(query: "node_load1") {
    result {
      ... on VectorResult {
        series { text value }
      }
    }
    stats { samplesRead loadMs evaluateMs }
  }
}
`

const given = token.get()
const socket = createClient({
  url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/graphql`,
  ...(given && { connectionParams: { token: given } }),
})

/** Subscriptions go over a WebSocket, all else by POST. */
const fetcher: GraphiQLProps['fetcher'] = ({ query, variables, operationName }, options) => {
  if (isSubscription(query, operationName ?? undefined)) {
    // Its type wants errors as objects of graphql-js; it shows them as they come.
    return socket.iterate({ query, variables, operationName }) as ReturnType<GraphiQLProps['fetcher']>
  }
  return fetch('/graphql', {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json',
      ...(given && { authorization: `Bearer ${given}` }),
      ...options?.headers,
    },
    body: JSON.stringify({ query, variables, operationName }),
  }).then((response) => response.json())
}

function isSubscription(query: string, operationName: string | undefined): boolean {
  try {
    return getOperationAST(parse(query), operationName)?.operation === 'subscription'
  } catch {
    // What is not well formed the server will say.
    return false
  }
}

const root = document.getElementById('root')
if (root) {
  createRoot(root).render(
    <StrictMode>
      <GraphiQL fetcher={fetcher} defaultQuery={start} />
    </StrictMode>,
  )
}
