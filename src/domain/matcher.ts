/** How a label's value is matched; regular expressions are RE2 and match the whole value. */
export type MatchType = '=' | '!=' | '=~' | '!~'

/** One condition on a label. A label that a series lacks has the value ''. */
export interface Matcher {
  readonly name: string
  readonly type: MatchType
  readonly value: string
}
