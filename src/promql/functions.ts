import type { ValueType } from './ast.ts'

/** A function's signature, for the type check. `variadic`: 0 exact; n > 0: up to n of the last arguments are optional; -1: any number more of the last. */
export interface FunctionSignature {
  readonly name: string
  readonly args: readonly ValueType[]
  readonly variadic: number
  readonly returns: ValueType
}

const m = (name: string): FunctionSignature => ({ name, args: ['matrix'], variadic: 0, returns: 'vector' })
const v = (name: string): FunctionSignature => ({ name, args: ['vector'], variadic: 0, returns: 'vector' })
const f = (name: string, args: readonly ValueType[], variadic = 0, returns: ValueType = 'vector'): FunctionSignature => ({
  name,
  args,
  variadic,
  returns,
})

/** Every function of the language that Tidemark knows (Prometheus 3.16 without experimental ones and native histograms). */
export const functionSignatures: ReadonlyMap<string, FunctionSignature> = new Map(
  [
    ...['rate', 'irate', 'increase', 'delta', 'idelta', 'deriv', 'resets', 'changes'].map(m),
    ...['avg', 'count', 'first', 'last', 'max', 'min', 'present', 'stddev', 'stdvar', 'sum', 'absent'].map((name) =>
      m(`${name}_over_time`),
    ),
    f('quantile_over_time', ['scalar', 'matrix']),
    f('predict_linear', ['matrix', 'scalar']),
    ...['abs', 'absent', 'ceil', 'exp', 'floor', 'ln', 'log10', 'log2', 'sgn', 'sqrt', 'sort', 'sort_desc', 'timestamp', 'deg', 'rad'].map(
      v,
    ),
    ...['acos', 'acosh', 'asin', 'asinh', 'atan', 'atanh', 'cos', 'cosh', 'sin', 'sinh', 'tan', 'tanh'].map(v),
    ...['histogram_avg', 'histogram_count', 'histogram_sum', 'histogram_stddev', 'histogram_stdvar'].map(v),
    ...['day_of_month', 'day_of_week', 'day_of_year', 'days_in_month', 'hour', 'minute', 'month', 'year'].map((name) =>
      f(name, ['vector'], 1),
    ),
    f('clamp', ['vector', 'scalar', 'scalar']),
    f('clamp_max', ['vector', 'scalar']),
    f('clamp_min', ['vector', 'scalar']),
    f('histogram_quantile', ['scalar', 'vector']),
    f('histogram_fraction', ['scalar', 'scalar', 'vector']),
    f('label_join', ['vector', 'string', 'string', 'string'], -1),
    f('label_replace', ['vector', 'string', 'string', 'string', 'string']),
    f('pi', [], 0, 'scalar'),
    f('round', ['vector', 'scalar'], 1),
    f('scalar', ['vector'], 0, 'scalar'),
    f('time', [], 0, 'scalar'),
    f('vector', ['scalar']),
  ].map((signature) => [signature.name, signature]),
)

/** Functions that Prometheus knows and accepts only with `--enable-feature=promql-experimental-functions`: refused by name. */
export const experimentalFunctions: ReadonlySet<string> = new Set([
  'double_exponential_smoothing',
  'end',
  'histogram_quantiles',
  'info',
  'integral',
  'mad_over_time',
  'max_of',
  'min_of',
  'range',
  'sort_by_label',
  'sort_by_label_desc',
  'start',
  'start_timestamp',
  'step',
  'ts_of_first_over_time',
  'ts_of_last_over_time',
  'ts_of_max_over_time',
  'ts_of_min_over_time',
])
