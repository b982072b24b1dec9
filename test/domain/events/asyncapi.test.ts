/** docs/asyncapi.yaml says what the code does: topics, headers, payloads; and it is sound in itself. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import { parse } from 'yaml'
import { clusterFormedHeaders, encodeClusterFormed } from '../../../src/domain/events/cluster-formed.ts'
import { encodeMembershipEvent } from '../../../src/domain/events/membership-events.ts'
import { samplesHeaders } from '../../../src/domain/events/samples-headers.ts'
import * as topics from '../../../src/domain/events/topics.ts'

type Node = { readonly [key: string]: unknown }

const document = parse(readFileSync(new URL('../../../docs/asyncapi.yaml', import.meta.url), 'utf8')) as Node
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null

/** What a pointer such as #/components/schemas/X means, `$ref`s on the way followed. */
function find(pointer: string): unknown {
  const found = pointer
    .replace(/^#\//, '')
    .split('/')
    .reduce<unknown>((node, key) => (isNode(node) ? resolved(node)[key] : undefined), document)
  return isNode(found) ? resolved(found) : found
}

function resolved(node: Node): Node {
  if (typeof node.$ref !== 'string') return node
  const target = find(node.$ref)
  if (!isNode(target)) throw new Error(`${node.$ref} leads nowhere`)
  return target
}

function* references(node: unknown): Iterable<string> {
  if (!isNode(node)) return
  if (typeof node.$ref === 'string') yield node.$ref
  for (const value of Object.values(node)) yield* references(value)
}

/** The part of JSON Schema that the document uses; anything else in it is an error. */
function problems(schema: Node, value: unknown, at = ''): string[] {
  const found: string[] = []
  for (const [key, wanted] of Object.entries(resolved(schema))) {
    const says = (is: boolean) => is || found.push(`${at}: ${JSON.stringify(value)}, expected ${key} ${JSON.stringify(wanted)}`)
    if (key === 'allOf') for (const part of wanted as Node[]) found.push(...problems(part, value, at))
    else if (key === 'const') says(value === wanted)
    else if (key === 'pattern') says(new RegExp(wanted as string).test(value as string))
    else if (key === 'minimum') says((value as number) >= (wanted as number))
    else if (key === 'minLength') says((value as string).length >= (wanted as number))
    else if (key === 'maxLength') says((value as string).length <= (wanted as number))
    else if (key === 'required') for (const name of wanted as string[]) says(isNode(value) && name in value)
    else if (key === 'type') says(wanted === 'integer' ? Number.isInteger(value) : typeof value === wanted)
    else if (key === 'properties') {
      for (const [name, part] of Object.entries(wanted as Record<string, Node>)) {
        if (isNode(value) && name in value) found.push(...problems(part, value[name], `${at}/${name}`))
      }
    } else if (key !== 'description' && key !== 'format') throw new Error(`${at}: ${key} is not known to this test`)
  }
  return found
}

const cluster = { clusterId: 'c0ffee00-0000-4000-8000-000000000000', partitions: 16, spread: 4, generation: 1 }
const json = (payload: Uint8Array): unknown => JSON.parse(Buffer.from(payload).toString())
const seen = encodeMembershipEvent({ type: 'CollectorSeen', name: 'ä b', sequence: 1 })
const left = encodeMembershipEvent({ type: 'CollectorLeft', name: 'ä b', sequence: 2 })
const written: Readonly<Record<string, { headers: object; payload: unknown }>> = {
  SamplesRecorded: { headers: samplesHeaders('00'.repeat(16), 12), payload: '' },
  ClusterFormed: { headers: clusterFormedHeaders(cluster), payload: json(encodeClusterFormed(cluster)) },
  CollectorSeen: { headers: seen.headers, payload: json(seen.payload) },
  CollectorLeft: { headers: left.headers, payload: json(left.payload) },
}

describe('docs/asyncapi.yaml', () => {
  const channels = document.channels as Record<string, Node>
  const operations = document.operations as Record<string, Node>
  const messages = find('#/components/messages') as Record<string, Node>

  it('is AsyncAPI 3, with references that lead somewhere', () => {
    expect(document.asyncapi).toBe('3.0.0')
    expect(document.info).toMatchObject({ title: expect.any(String), version: expect.any(String), description: expect.any(String) })
    const all = [...references(document)]
    expect(all.length).toBeGreaterThan(20)
    for (const pointer of all) expect([pointer, find(pointer)]).toEqual([pointer, expect.any(Object)])
  })

  it('has a channel for every topic, and no other', () => {
    const named = Object.entries(topics).flatMap(([name, value]) => (name.endsWith('_TOPIC') ? [value] : []))
    expect(
      Object.values(channels)
        .map(({ address }) => address)
        .sort(),
    ).toEqual(named.sort())
    for (const { address, bindings } of Object.values(channels)) {
      expect(bindings).toMatchObject({ kafka: { topic: address, partitions: expect.any(Number), bindingVersion: '0.5.0' } })
    }
  })

  it('has for every channel who sends and who receives, of its own messages', () => {
    for (const name of Object.keys(channels)) {
      const own = Object.values(operations).filter(({ channel }) => (channel as Node).$ref === `#/channels/${name}`)
      expect(own.map(({ action }) => action).sort()).toEqual(['receive', 'send'])
      for (const operation of own) {
        for (const { $ref } of operation.messages as { $ref: string }[]) expect($ref).toMatch(new RegExp(`^#/channels/${name}/messages/`))
      }
    }
  })

  it('describes every message that a channel has, and no other', () => {
    const used = Object.values(channels).flatMap(({ messages: own }) => Object.keys(own as Node))
    expect(used.sort()).toEqual(Object.keys(messages).sort())
    expect(used.sort()).toEqual(Object.keys(written).sort())
  })

  it.each(Object.keys(written))('describes headers and payload of %s as they are written', (name) => {
    const { headers, payload, contentType } = messages[name]
    const record = written[name]
    expect(problems(headers as Node, record.headers)).toEqual([])
    expect(problems(payload as Node, record.payload)).toEqual([])
    expect(record.headers).toMatchObject({ 'content-type': contentType })
    const known = ((headers as Node).allOf as Node[]).flatMap((part) => Object.keys(resolved(part).properties as Node))
    expect(Object.keys(record.headers).filter((header) => !known.includes(header))).toEqual([])
    if (isNode(record.payload)) {
      expect(Object.keys(record.payload).sort()).toEqual(Object.keys(resolved(payload as Node).properties as Node).sort())
    }
    // And a record of another kind is none of these.
    const other = Object.entries(written).find(([own]) => own !== name)![1]
    expect(problems(headers as Node, other.headers)).not.toEqual([])
  })
})
