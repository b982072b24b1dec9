import type { ArithmeticOp, Binary, ComparisonOp } from '../ast.ts'
import type { Context } from './context.ts'
import { matchVectors } from './matching.ts'
import { applyArithmetic, applyComparison, isComparison, isSetOp, type Operand, scalarOperator } from './operators.ts'
import { setOperation } from './set-operators.ts'
import { dropNames, type Scalar, type Table, TableBuilder } from './table.ts'

/** A binary operator on two values, each a scalar or a vector. */
export function binary(node: Binary, left: Scalar | Table, right: Scalar | Table, context: Context): Scalar | Table {
  const { op } = node
  if (left.kind === 'vector' && right.kind === 'vector') {
    return isSetOp(op) ? setOperation(node, left, right, context) : matchVectors(node, left, right, context)
  }
  const valueOp = op as ArithmeticOp | ComparisonOp
  if (left.kind === 'scalar' && right.kind === 'scalar') {
    const compute = scalarOperator(valueOp)
    return { kind: 'scalar', values: left.values.map((value, k) => compute(value, right.values[k] as number)) }
  }
  if (left.kind === 'vector' && right.kind === 'scalar') return withScalar(valueOp, left, right.values, false, node.returnBool, context)
  return withScalar(valueOp, right as Table, (left as Scalar).values, true, node.returnBool, context)
}

/** A vector and a scalar; `swapped`: the scalar stands left. A comparison without `bool` keeps the vector's own values. */
function withScalar(
  op: ArithmeticOp | ComparisonOp,
  table: Table,
  scalar: Float64Array,
  swapped: boolean,
  returnBool: boolean,
  context: Context,
): Table {
  const { steps, values, labels } = table
  const vector: Operand = { values, from: 0 }
  const other: Operand = { values: scalar, from: 0 }
  const [left, right] = swapped ? [other, vector] : [vector, other]
  if (!isComparison(op)) {
    for (let row = 0; row < labels.length; row++) {
      vector.from = row * steps
      applyArithmetic(op, left, right, values, row * steps, steps)
    }
    context.budget.work(values.length)
    return dropNames(table)
  }
  const holds = new Uint8Array(steps)
  if (returnBool) {
    for (let row = 0; row < labels.length; row++) {
      vector.from = row * steps
      applyComparison(op, left, right, holds, steps)
      values.set(holds, row * steps)
    }
    return dropNames(table)
  }
  const builder = new TableBuilder(labels.length, steps)
  for (let row = 0; row < labels.length; row++) {
    const from = row * steps
    vector.from = from
    applyComparison(op, left, right, holds, steps)
    let count = 0
    for (let k = 0; k < steps; k++) {
      if (table.present !== null) holds[k] = (holds[k] as number) & (table.present[from + k] as number)
      count += holds[k] as number
    }
    if (count === 0) continue
    builder.values.set(values.subarray(from, from + steps), builder.base)
    builder.commit(labels[row]!, count, holds)
    context.budget.work(steps)
  }
  return builder.build(table.ordered)
}
