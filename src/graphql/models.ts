import type { Labels } from '../domain/labels.ts'
import type { QueryService } from '../query/query-service.ts'
import type { TopicPartition } from './schema.generated.ts'

/** What resolvers of these types are handed: the domain's own values, taken apart only as far as a document asks. */
export interface MetricModel {
  readonly name: string
}

export interface LabelledModel {
  readonly labels: Labels
}

export type InstantResultModel = Awaited<ReturnType<QueryService['instant']>>['result']
export type RangeResultModel = Awaited<ReturnType<QueryService['range']>>['result']
export type VectorResultModel = Extract<InstantResultModel, { type: 'vector' }>
export type ScalarResultModel = Extract<InstantResultModel, { type: 'scalar' }>
export type StringResultModel = Extract<InstantResultModel, { type: 'string' }>
export type MatrixResultModel = Extract<InstantResultModel, { type: 'matrix' }>
export type VectorSeriesModel = VectorResultModel['series'][number]
export type MatrixSeriesModel = MatrixResultModel['series'][number]
export type RangeSeriesModel = RangeResultModel['series'][number]

/** Nothing is read before a document asks for it. */
export interface ServerModel {
  readonly nowMs: number
}

export interface TopicModel {
  readonly name: string
  readonly partitions: TopicPartition[]
}
