import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from '@jest/globals'
import { describeIf } from '../support/requirements.ts'

const file = fileURLToPath(new URL('../../deploy/compose/compose.yaml', import.meta.url))

describeIf('docker-compose', 'compose.yaml as Compose reads it', 'docker-compose config', (compose) => {
  const run = (environment: Record<string, string>, ...args: string[]) =>
    execFileSync(compose, ['-f', file, 'config', ...args], {
      encoding: 'utf8',
      stdio: 'pipe',
      env: { PATH: process.env.PATH, ...environment },
    })

  it('takes the file', () => {
    expect(run({ S3_SECRET_ACCESS_KEY: 'x' }, '--services').trim().split('\n').sort()).toEqual([
      ...['bucket', 'cassandra', 'collect-1', 'collect-2', 'grafana', 'ingest-1', 'ingest-2', 'kafka', 'migrate'],
      ...['project-1', 'project-2', 'query-1', 'query-2', 's3'],
    ])
    expect(run({ S3_SECRET_ACCESS_KEY: 'x' })).toContain('TIDEMARK_ENGINES_S3_SECRET_ACCESS_KEY: x')
  })

  it('says what to do without the secrets', () => {
    expect(() => run({ S3_SECRET_ACCESS_KEY: '' })).toThrow('run make-secrets.sh first')
  })
})
