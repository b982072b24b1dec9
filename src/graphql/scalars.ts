import { GraphQLError, GraphQLScalarType, Kind, type ValueNode } from 'graphql'
import { invariant } from '../stdx/invariant.ts'

/** Values beside the times of an answer. */
export interface ValueColumn {
  readonly values: Float64Array
  /** 1 where there is a point; null: there is one everywhere. */
  readonly present: Uint8Array | null
}

type JsonValue = number | 'NaN' | '+Inf' | '-Inf'

/** The scalars of the schema. What a caller gets wrong is a GraphQLError, what the server gets wrong is not. */
export const scalars = {
  Timestamp: integerScalar('Timestamp', 'an integer of milliseconds since the Unix epoch', Number.MIN_SAFE_INTEGER),
  Count: integerScalar('Count', 'an integer from 0', 0),
  Position: new GraphQLScalarType<string, string>({
    name: 'Position',
    serialize(value) {
      invariant(typeof value === 'string', 'a position is a string')
      return value
    },
    parseValue: parsePosition,
    parseLiteral: (node) => parsePosition(node.kind === Kind.STRING ? node.value : undefined, node),
  }),
  SampleValue: new GraphQLScalarType<number, JsonValue>({
    name: 'SampleValue',
    serialize(value) {
      invariant(typeof value === 'number', 'a sample value is a number')
      return jsonValue(value)
    },
    parseValue: parseSampleValue,
    parseLiteral: (node) =>
      parseSampleValue(
        node.kind === Kind.FLOAT || node.kind === Kind.INT ? Number(node.value) : node.kind === Kind.STRING ? node.value : undefined,
        node,
      ),
  }),
  ValueColumn: new GraphQLScalarType<never, (JsonValue | null)[]>({
    name: 'ValueColumn',
    serialize(column) {
      invariant(isValueColumn(column), 'a value column is values and where they are')
      return jsonColumn(column)
    },
    parseValue: refuseInput,
    parseLiteral: refuseInput,
  }),
  TimestampColumn: new GraphQLScalarType<never, number[]>({
    name: 'TimestampColumn',
    serialize(column) {
      invariant(column instanceof Float64Array, 'a timestamp column is an array of numbers')
      return Array.from(column)
    },
    parseValue: refuseInput,
    parseLiteral: refuseInput,
  }),
}

function integerScalar(name: string, expected: string, min: number): GraphQLScalarType<number, number> {
  const parse = (value: unknown, node?: ValueNode): number => {
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min) return value
    throw new GraphQLError(`${name} is ${expected}`, { nodes: node })
  }
  return new GraphQLScalarType<number, number>({
    name,
    serialize(value) {
      invariant(typeof value === 'number' && Number.isSafeInteger(value) && value >= min, `${name} is ${expected}, not ${String(value)}`)
      return value
    },
    parseValue: (value) => parse(value),
    parseLiteral: (node) => parse(node.kind === Kind.INT ? Number(node.value) : undefined, node),
  })
}

function parsePosition(value: unknown, node?: ValueNode): string {
  if (typeof value === 'string') return value
  throw new GraphQLError('Position is a string that an answer or a mutation has told', { nodes: node })
}

const floatText = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/
const namedFloat: ReadonlyMap<string, number> = new Map([
  ['nan', Number.NaN],
  ['inf', Number.POSITIVE_INFINITY],
  ['+inf', Number.POSITIVE_INFINITY],
  ['-inf', Number.NEGATIVE_INFINITY],
])

function parseSampleValue(value: unknown, node?: ValueNode): number {
  if (typeof value === 'number') return value
  if (typeof value === 'string') {
    const named = namedFloat.get(value.toLowerCase())
    if (named !== undefined) return named
    if (floatText.test(value)) return Number(value)
  }
  throw new GraphQLError('SampleValue is a number, or one of the strings "NaN", "+Inf", "-Inf"', { nodes: node })
}

function refuseInput(): never {
  throw new GraphQLError('columns are only given, never taken')
}

function isValueColumn(value: unknown): value is ValueColumn {
  return typeof value === 'object' && value !== null && 'values' in value && value.values instanceof Float64Array
}

function jsonColumn({ values, present }: ValueColumn): (JsonValue | null)[] {
  const column: (JsonValue | null)[] = new Array(values.length)
  for (let i = 0; i < values.length; i++) column[i] = present !== null && present[i] === 0 ? null : jsonValue(values[i] as number)
  return column
}

function jsonValue(value: number): JsonValue {
  if (Number.isFinite(value)) return value
  if (Number.isNaN(value)) return 'NaN'
  return value > 0 ? '+Inf' : '-Inf'
}
