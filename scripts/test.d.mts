/** The part of jest's report that is read. */
export interface JestReport {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly testResults: readonly {
    readonly status: string
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
  }[]
}
export function summarize(report: JestReport | null, failedSteps: readonly string[], requireAll: boolean): { lines: string[]; ok: boolean }
