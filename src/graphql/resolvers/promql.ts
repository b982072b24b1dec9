import type { QueryOptions } from '../../query/query-service.ts'
import type { AnswerBudget } from '../answer-budget.ts'
import type { GraphqlDeps } from '../deps.ts'
import { refusal } from '../errors.ts'
import { graphqlLimits } from '../limits.ts'
import type { InstantResultModel, RangeResultModel } from '../models.ts'
import type { QueryResolvers } from '../schema.generated.ts'

interface OptionArguments {
  readonly minPosition?: string | null
  readonly timeoutMs?: number | null
  readonly lookbackMs?: number | null
  readonly limit?: number | null
}

/** PromQL at one time and over a range. */
export function promqlQueries({ queries, clock }: Pick<GraphqlDeps, 'queries' | 'clock'>) {
  return {
    async instantQuery(_, args, { signal, budget }) {
      const limit = seriesLimit(args)
      const answer = await queries.instant({ expr: args.query, timeMs: args.time ?? clock.nowMs(), ...options(args) }, signal)
      const { result, total } = cutInstant(answer.result, limit)
      takeInstant(result, budget)
      return { ...answer, ...notes(answer, total, limit), result, seriesTotal: total }
    },
    async rangeQuery(_, args, { signal, budget }) {
      const limit = seriesLimit(args)
      if (args.step < 1) throw refusal('BAD_USER_INPUT', `\`step\` is ${args.step}, expected 1 millisecond at least`)
      const query = { expr: args.query, startMs: args.start, endMs: args.end, stepMs: args.step, ...options(args) }
      const answer = await queries.range(query, signal)
      const result: RangeResultModel = answer.result
      const series = result.series.slice(0, limit)
      budget.take(series.length, series.length * result.timestamps.length)
      const total = result.series.length
      return { ...answer, ...notes(answer, total, limit), timestamps: result.timestamps, series, seriesTotal: total }
    },
  } satisfies QueryResolvers
}

function options(args: OptionArguments): QueryOptions {
  return {
    ...(args.minPosition != null && { minPosition: args.minPosition }),
    ...(args.timeoutMs != null && { timeoutMs: positive('timeoutMs', args.timeoutMs) }),
    ...(args.lookbackMs != null && { lookbackMs: positive('lookbackMs', args.lookbackMs) }),
  }
}

function seriesLimit(args: OptionArguments): number {
  const limit = args.limit ?? graphqlLimits.answerSeriesDefault
  if (limit >= 1 && limit <= graphqlLimits.answerSeriesMax) return limit
  throw refusal('BAD_USER_INPUT', `\`limit\` is ${limit}, expected 1 to ${graphqlLimits.answerSeriesMax}`)
}

function positive(name: string, value: number): number {
  if (value > 0) return value
  throw refusal('BAD_USER_INPUT', `\`${name}\` is ${value}, expected 1 at least`)
}

function notes(answer: { warnings: readonly string[]; infos: readonly string[] }, total: number, limit: number) {
  const cut = total > limit ? [`the answer holds ${limit} of ${total} series: \`limit\` cut it`] : []
  return { warnings: [...answer.warnings, ...cut], infos: [...answer.infos] }
}

function cutInstant(result: InstantResultModel, limit: number): { result: InstantResultModel; total: number } {
  switch (result.type) {
    case 'vector':
      return { result: { ...result, series: result.series.slice(0, limit) }, total: result.series.length }
    case 'matrix':
      return { result: { ...result, series: result.series.slice(0, limit) }, total: result.series.length }
    case 'scalar':
    case 'string':
      return { result, total: 0 }
  }
}

function takeInstant(result: InstantResultModel, budget: AnswerBudget): void {
  if (result.type === 'vector') budget.take(result.series.length, result.series.length)
  if (result.type === 'matrix') {
    budget.take(
      result.series.length,
      result.series.reduce((points, series) => points + series.times.length, 0),
    )
  }
}
