/** Tests `npm run build` (scripts/build.js) on a small package: what it compiles, and when it compiles nothing. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { build } from '../scripts/build.js'
import { root } from './support/imports.ts'

test('this repository needs no build, because the test run has built it', () => {
  expect(build()).toBe(false)
})

test('a build compiles what changed, and nothing when nothing changed', () => {
  const { folder, write, output } = createPackage({
    'a.ts': `export const a: number = 1\n`,
    'types.d.ts': 'declare const b: number\n',
  })
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

test('an output is removed when its source no longer exists, so that nothing can import it', () => {
  const { folder, output } = createPackage({ 'a.ts': 'export {}\n', 'b.ts': 'export {}\n' })
  build(folder)
  expect(output('b.js')).toBeDefined()

  rmSync(join(folder, 'src/b.ts'))
  expect(build(folder)).toBe(true)
  expect([output('a.js') !== undefined, output('b.js'), output('b.js.map')]).toEqual([true, undefined, undefined])
})

test('after a failed build the next call compiles again', () => {
  const { folder, write, output } = createPackage({ 'a.ts': 'export const a: = 1\n' })
  expect(() => build(folder)).toThrow('src/ could not be compiled')
  expect(() => build(folder)).toThrow('src/ could not be compiled')

  write('a.ts', 'export const a = 1\n')
  expect(build(folder)).toBe(true)
  expect(output('a.js')).toContain('export const a = 1;')
})

test('after a failed build of one of several sources, all changed sources are compiled', () => {
  const { folder, write, output } = createPackage({ 'a.ts': 'export const a = 1\n', 'b.ts': 'export const b = 1\n' })
  build(folder)
  write('b.ts', 'export const b: = 2\n')
  expect(() => build(folder)).toThrow('src/ could not be compiled')

  write('b.ts', 'export const b = 3\n')
  expect(build(folder)).toBe(true)
  expect([output('a.js'), output('b.js')]).toEqual([
    expect.stringContaining('export const a = 1;'),
    expect.stringContaining('export const b = 3;'),
  ])
})

test('a changed time stamp, a changed setting and a missing output each cause a build', () => {
  const { folder, output } = createPackage({ 'a.ts': 'export const a = 1\n', 'b.ts': 'export const b = 1\n' })
  build(folder)
  utimesSync(join(folder, 'src/a.ts'), new Date(0), new Date(0))
  expect(build(folder)).toBe(true)

  const settings = JSON.parse(readFileSync(join(folder, 'tsconfig.build.json'), 'utf8'))
  settings.compilerOptions.sourceMap = false
  writeFileSync(join(folder, 'tsconfig.build.json'), JSON.stringify(settings))
  expect(build(folder)).toBe(true)

  rmSync(join(folder, 'dist/b.js'))
  expect(build(folder)).toBe(true)
  expect(output('b.js')).toContain('export const b = 1;')
  expect(build(folder)).toBe(false)
})

/** Creates a package with our settings and our compiler. */
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
    /** undefined: the output does not exist. */
    output(file: string): string | undefined {
      const path = join(folder, 'dist', file)
      return existsSync(path) ? readFileSync(path, 'utf8') : undefined
    },
  }
}
