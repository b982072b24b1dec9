import type DataLoader from 'dataloader'
import type { MetricMetadata } from '../domain/ports/metadata-view.ts'
import type { AnswerBudget } from './answer-budget.ts'

/** What a caller may do. */
export type Scope = 'read' | 'write' | 'operate'

/** Who calls, as `http` found out before it hands a request over. */
export interface CallerContext {
  /** Empty: not authenticated. */
  readonly scopes: ReadonlySet<Scope>
  /** Stands for the caller in limits per sender, idempotency keys and log lines; never a token. */
  readonly sender: string
}

/** What every resolver is handed: one for each operation. */
export interface OperationContext extends CallerContext {
  /** Aborts when the caller leaves, or when the operation's time is over. */
  readonly signal: AbortSignal
  /** Metadata by metric name: everything asked for in one turn becomes one call. */
  readonly metadata: DataLoader<string, MetricMetadata | null>
  /** What the answer may still hold. */
  readonly budget: AnswerBudget
}
