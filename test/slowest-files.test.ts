/** Tests the list of slow files at the end of a run. */
import { expect, test, vi } from 'vitest'
import type { TestModule } from 'vitest/node'
import SlowestFiles from './support/slowest-files.ts'

function moduleOf(name: string, seconds: number): TestModule {
  const module = { moduleId: `/x/${name}`, relativeModuleId: name, project: { name: 'sqlite' } }
  return { ...module, diagnostic: () => ({ duration: seconds * 1_000 }) } as unknown as TestModule
}

function listed(modules: readonly TestModule[]): string[] {
  const log = vi.spyOn(console, 'log').mockReturnValue(undefined)
  new SlowestFiles().onTestRunEnd(modules)
  const lines = log.mock.calls.flat().join('\n').split('\n')
  log.mockRestore()
  return lines.filter((line) => line.includes(' s  '))
}

test('a run of many files ends with the ten slowest, the slowest first; a run of one file has no list', () => {
  const modules = [3, 12, 1, 7, 5, 9, 11, 2, 10, 8, 4, 6].map((seconds) => moduleOf(`${seconds}.test.ts`, seconds))
  const lines = listed(modules)
  expect(lines).toHaveLength(10)
  expect(lines[0]).toBe('    12.0 s  12.test.ts (sqlite)')
  expect(lines.at(-1)).toBe('     3.0 s  3.test.ts (sqlite)')
  expect(listed(modules.slice(0, 1))).toEqual([])
})
