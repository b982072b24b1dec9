import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** Two pages: the console at `/`, and GraphiQL, which the server gives to browsers that open `/graphql`. */
export default defineConfig(({ command }) => {
  // What is built is for people, also when a test builds it: vite would else go by what the environment says.
  if (command === 'build') process.env.NODE_ENV = 'production'
  return {
    root: path('.'),
    base: '/',
    plugins: [react()],
    build: {
      outDir: path('../dist/console'),
      emptyOutDir: true,
      target: 'es2022',
      // Everything stands in a file of its own, as the pages' policy lets no inline script run.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      // GraphiQL is an editor with a whole language service: large by nature, and loaded only by its own page.
      chunkSizeWarningLimit: 2500,
      rolldownOptions: { input: { index: path('index.html'), graphiql: path('graphiql.html') } },
    },
    // For work on the page: `npx vite console`, beside a server on its usual port.
    server: { proxy: { '/graphql': { target: 'http://127.0.0.1:4000', ws: true } } },
  }
})
