/** `npm run build` (scripts/build.js), on a small package of its own: what is compiled, and when nothing is. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { build } from '../scripts/build.js'
import { root } from './imports.ts'

test('a build compiles what changed, and nothing when nothing did', () => {
  const { folder, write, output } = createPackage({ 'a.ts': `export const a: number = 1\n` })
  expect(build(folder)).toBe(true)
  expect(output('a.js')).toContain('export const a = 1;')
  expect(build(folder)).toBe(false)

  write('sub/b.ts', `export { a } from '../a.ts'\n`)
  expect(build(folder)).toBe(true)
  expect(output('sub/b.js')).toContain(`export { a } from '../a.js'`)
  write('a.ts', `export const a: number = 22\n`)
  expect(build(folder)).toBe(true)
  expect(output('a.js')).toContain('export const a = 22;')
  expect(build(folder)).toBe(false)
})

test('an output whose source is gone is removed, so that nothing imports it any more', () => {
  const { folder, output } = createPackage({ 'a.ts': 'export {}\n', 'b.ts': 'export {}\n' })
  build(folder)
  expect(output('b.js')).toBeDefined()

  rmSync(join(folder, 'src/b.ts'))
  expect(build(folder)).toBe(true)
  expect([output('a.js') !== undefined, output('b.js'), output('b.js.map')]).toEqual([true, undefined, undefined])
})

test('a build that failed is not taken for one, and is made up for', () => {
  const { folder, write, output } = createPackage({ 'a.ts': 'export const a: = 1\n' })
  expect(() => build(folder)).toThrow('src/ could not be compiled')
  expect(() => build(folder)).toThrow('src/ could not be compiled')

  write('a.ts', 'export const a = 1\n')
  expect(build(folder)).toBe(true)
  expect(output('a.js')).toContain('export const a = 1;')
})

/** With our settings and compiler. */
function createPackage(sources: Readonly<Record<string, string>>) {
  const folder = mkdtempSync(join(tmpdir(), 'martlet-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  for (const name of ['package.json', 'tsconfig.json', 'tsconfig.build.json'])
    cpSync(join(root, name), join(folder, name))
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  const write = (file: string, text: string) => {
    const path = join(folder, 'src', file)
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, text)
  }
  for (const [file, text] of Object.entries(sources)) write(file, text)
  return {
    folder,
    write,
    /** undefined: there is none. */
    output(file: string): string | undefined {
      const path = join(folder, 'dist', file)
      return existsSync(path) ? readFileSync(path, 'utf8') : undefined
    },
  }
}
