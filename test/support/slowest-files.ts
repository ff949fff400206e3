/** A reporter that lists the slowest test files at the end of a run. */
import type { Reporter, TestModule } from 'vitest/node'

const SHOWN = 10

export default class SlowestFiles implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    if (new Set(modules.map(({ moduleId }) => moduleId)).size <= 1) return
    const slowest = modules
      .map((module) => ({ module, seconds: module.diagnostic().duration / 1_000 }))
      .toSorted((a, b) => b.seconds - a.seconds)
      .slice(0, SHOWN)
    const lines = slowest.map(
      ({ module, seconds }) =>
        `${seconds.toFixed(1).padStart(8)} s  ${module.relativeModuleId} (${module.project.name})`,
    )
    console.log(`\n Slowest files\n${lines.join('\n')}`)
  }
}
