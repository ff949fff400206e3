/**
 * Reports results: each as a line, and as a row of the table that `npm run bench` prints when all benches have ended
 * (scripts/bench.js).
 */

export interface Result {
  /** What was measured, with its conditions. */
  readonly what: string
  /** With its unit. */
  readonly measured: string
  /** What the same run measured for comparison, with its unit. */
  readonly beside?: string
  /** Of what was measured to what it is compared with. */
  readonly ratio?: number
  readonly goal?: Goal
}

export interface Goal {
  readonly text: string
  readonly isMet: boolean
}

export function report({ what, measured, beside, ratio, goal }: Result): void {
  const compared = beside === undefined ? '' : `; ${beside}`
  const how = ratio === undefined ? '' : `, ratio ${ratio.toFixed(2)}`
  const aim = goal ? ` (goal ${goal.text}: ${goal.isMet ? 'met' : 'missed'})` : ''
  console.log(`${what}: ${measured}${compared}${how}${aim}`)
  // Only where scripts/bench.js runs all benches, this process has a parent that listens.
  process.send?.({ what, measured, beside, ratio: ratio?.toFixed(2), goal: goal?.text, isMet: goal?.isMet })
}

/** @param goal undefined: there is none */
export function atLeast(value: number, goal: number | undefined, unit = ''): { goal?: Goal } {
  return goal === undefined ? {} : { goal: { text: `≥ ${goal.toLocaleString('en')}${unit}`, isMet: value >= goal } }
}

/** @param goal undefined: there is none */
export function atMost(value: number, goal: number | undefined, unit = ''): { goal?: Goal } {
  return goal === undefined ? {} : { goal: { text: `≤ ${goal.toLocaleString('en')}${unit}`, isMet: value <= goal } }
}
