import { createGraphiQLFetcher } from '@graphiql/toolkit'
import { GraphiQL } from 'graphiql'
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
const fetcher = createGraphiQLFetcher({
  url: '/graphql',
  subscriptionUrl: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/graphql`,
  ...(given && { headers: { authorization: `Bearer ${given}` }, wsConnectionParams: { token: given } }),
})

const root = document.getElementById('root')
if (root) {
  createRoot(root).render(
    <StrictMode>
      <GraphiQL fetcher={fetcher} defaultQuery={start} />
    </StrictMode>,
  )
}
