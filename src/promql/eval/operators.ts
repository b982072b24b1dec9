import type { ArithmeticOp, BinaryOp, ComparisonOp } from '../ast.ts'
import { goPow } from './numbers.ts'

type ValueOp = ArithmeticOp | ComparisonOp

const comparisons: ReadonlySet<BinaryOp> = new Set(['==', '!=', '<', '<=', '>', '>='])

export function isComparison(op: BinaryOp): op is ComparisonOp {
  return comparisons.has(op)
}

export function isSetOp(op: BinaryOp): op is 'and' | 'or' | 'unless' {
  return op === 'and' || op === 'or' || op === 'unless'
}

/** A run of numbers, one a step: `values[from]`, `values[from + 1]`, ... */
export interface Operand {
  readonly values: Float64Array
  from: number
}

const arithmetic: Readonly<Record<ArithmeticOp, (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
  '^': goPow,
  atan2: Math.atan2,
}

const comparison: Readonly<Record<ComparisonOp, (a: number, b: number) => boolean>> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
}

/** The operator on two numbers; a comparison yields 1 or 0. */
export function scalarOperator(op: ValueOp): (a: number, b: number) => number {
  if (!isComparison(op)) return arithmetic[op]
  const holds = comparison[op]
  return (a, b) => (holds(a, b) ? 1 : 0)
}

/** Applies the operator to `steps` pairs of numbers and writes the results to `out` from `at`. A loop of its own for each common operator. */
export function applyArithmetic(op: ArithmeticOp, left: Operand, right: Operand, out: Float64Array, at: number, steps: number): void {
  const a = left.values
  const b = right.values
  const i = left.from
  const j = right.from
  switch (op) {
    case '+':
      for (let k = 0; k < steps; k++) out[at + k] = (a[i + k] as number) + (b[j + k] as number)
      return
    case '-':
      for (let k = 0; k < steps; k++) out[at + k] = (a[i + k] as number) - (b[j + k] as number)
      return
    case '*':
      for (let k = 0; k < steps; k++) out[at + k] = (a[i + k] as number) * (b[j + k] as number)
      return
    case '/':
      for (let k = 0; k < steps; k++) out[at + k] = (a[i + k] as number) / (b[j + k] as number)
      return
    default: {
      const compute = arithmetic[op]
      for (let k = 0; k < steps; k++) out[at + k] = compute(a[i + k] as number, b[j + k] as number)
    }
  }
}

/** Writes 1 to `holds` where the comparison does, else 0. */
export function applyComparison(op: ComparisonOp, left: Operand, right: Operand, holds: Uint8Array, steps: number): void {
  const a = left.values
  const b = right.values
  const i = left.from
  const j = right.from
  switch (op) {
    case '>':
      for (let k = 0; k < steps; k++) holds[k] = (a[i + k] as number) > (b[j + k] as number) ? 1 : 0
      return
    case '<':
      for (let k = 0; k < steps; k++) holds[k] = (a[i + k] as number) < (b[j + k] as number) ? 1 : 0
      return
    default: {
      const test = comparison[op]
      for (let k = 0; k < steps; k++) holds[k] = test(a[i + k] as number, b[j + k] as number) ? 1 : 0
    }
  }
}
