import { refusal } from './errors.ts'
import { graphqlLimits } from './limits.ts'

/** What the answer to one operation may still hold: its fields share one budget, so that twenty of them are no way around it. */
export class AnswerBudget {
  #series = 0
  #points = 0

  /** @throws QUERY_LIMIT */
  take(series: number, points: number): void {
    this.#series += series
    this.#points += points
    if (this.#series > graphqlLimits.answerSeriesMax) {
      throw refusal('QUERY_LIMIT', `the answer would hold more than ${graphqlLimits.answerSeriesMax} series: set \`limit\`, or aggregate`)
    }
    if (this.#points > graphqlLimits.answerPointsMax) {
      throw refusal(
        'QUERY_LIMIT',
        `the answer would hold more than ${graphqlLimits.answerPointsMax} points: take a longer step, set \`limit\`, or aggregate`,
      )
    }
  }
}
