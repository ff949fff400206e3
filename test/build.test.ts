/** Tests scripts/build.js on small packages: what it compiles and bundles, and when it does nothing. */
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { buildModules, bundle, inAscii } from '../scripts/build.js'
import { root, textOf } from './support/imports.ts'
import { bundleUrl } from './support/program.ts' // waits for the bundle

test('this repository needs no build, because the test run has built it', async () => {
  expect(buildModules()).toBe(false)
  expect(await bundle()).toBe(false)
})

test('the bundle contains the licence of each package that it contains', () => {
  const licences = textOf('dist/LICENCES.txt')
  for (const name of ['fastify', 'kysely', 'pg', 'ws'])
    expect(licences).toMatch(new RegExp(`^${name} [0-9.]+ \\(MIT\\)$`, 'm'))
  expect(licences).toMatch(/^swagger-ui-dist [0-9.]+ \(Apache-2\.0\)$/m)
  expect(licences).toContain('Permission is hereby granted, free of charge')
  expect(licences, 'not bundled').not.toMatch(/^better-sqlite3 /m)
})

// V8 keeps a file with any other character with two bytes per character: the largest one took 7 MB instead of 3.
test('the bundle contains only ASCII characters and no documentation', () => {
  for (const file of readdirSync(join(root, 'dist')).filter((each) => each.endsWith('.js'))) {
    expect(/[^\0-\x7f]/.test(textOf(`dist/${file}`)), file).toBe(false)
  }
  expect(textOf('src/server/start.ts')).toMatch(/^ \* @/m)
  expect(textOf('dist/start.js')).not.toMatch(/^\s*\* @/m)
})

test('with --enable-source-maps, a stack trace of the bundle names the sources', () => {
  const program = `
    import { loadConfig } from ${JSON.stringify(bundleUrl('settings.js'))}
    try { loadConfig({ MARTLET_HTTP_PORT: 'none' }) } catch (error) { console.log(error.stack) }`
  const args = ['--enable-source-maps', '--input-type=module', '--eval', program]
  const stack = execFileSync(process.execPath, args, { encoding: 'utf8' })
  const called = /at loadConfig \(.*src\/config\/settings\.ts:(\d+):\d+\)/.exec(stack)
  expect(called, stack).not.toBeNull()
  expect(textOf('src/config/settings.ts').split('\n')[Number(called![1]) - 1]).toContain('errors.throwAny()')
  expect(stack).not.toMatch(/dist\/[^\n]*\.js/)
})

test('packages that the server never loads are not in the bundle', () => {
  const start = textOf('dist/start.js')
  expect(start).toMatch(/^\/\/ node_modules\/fastify\//m)
  for (const name of ['ajv', 'ajv-formats', 'light-my-request', '@fastify/ajv-compiler'])
    expect(start, name).not.toMatch(new RegExp(`^// node_modules/${name}/`, 'm'))
})

test('a program in ASCII has the same texts and patterns', () => {
  const program = String.raw`[
    'é – 验证码 😀', "\é\\é\\\é", ${'`'}ü$${'{1}'}\—${'`'}, { ключ: 'ключ' },
    ...[/[😀-😂]/u, /[à-ü]/, /\–/, /\\–/].map((pattern) => '😁 é – \\–'.replace(pattern, '!')),
  ]`
  const run = (code: string) => new Function(`return ${code}`)() as unknown[]
  expect(inAscii(program)).toMatch(/^[\0-\x7f]+$/)
  expect(run(inAscii(program))).toEqual(run(program))
  expect(run(program)).toHaveLength(8)
})

test('a build compiles what changed, and nothing when nothing changed', () => {
  const { folder, write, output } = createPackage({
    'a.ts': `export const a: number = 1\n`,
    'types.d.ts': 'declare const b: number\n',
  })
  expect(buildModules(folder)).toBe(true)
  expect(output('a.js')).toContain('export const a = 1;')
  expect(buildModules(folder)).toBe(false)

  write('sub/b.ts', `export { a } from '../a.ts'\n`)
  expect(buildModules(folder)).toBe(true)
  expect(output('sub/b.js')).toContain(`export { a } from '../a.js'`)
  write('a.ts', `export const a: number = 22\n`)
  expect(buildModules(folder)).toBe(true)
  expect(output('a.js')).toContain('export const a = 22;')
  expect(buildModules(folder)).toBe(false)
})

test('an output is removed when its source no longer exists, so that nothing can import it', () => {
  const { folder, output } = createPackage({ 'a.ts': 'export {}\n', 'b.ts': 'export {}\n' })
  buildModules(folder)
  expect(output('b.js')).toBeDefined()

  rmSync(join(folder, 'src/b.ts'))
  expect(buildModules(folder)).toBe(true)
  expect([output('a.js') !== undefined, output('b.js'), output('b.js.map')]).toEqual([true, undefined, undefined])
})

test('after a failed build the next call compiles again', () => {
  const { folder, write, output } = createPackage({ 'a.ts': 'export const a: = 1\n' })
  expect(() => buildModules(folder)).toThrow('src/ could not be compiled')
  expect(() => buildModules(folder)).toThrow('src/ could not be compiled')

  write('a.ts', 'export const a = 1\n')
  expect(buildModules(folder)).toBe(true)
  expect(output('a.js')).toContain('export const a = 1;')
})

test('after a failed build of one of several sources, all changed sources are compiled', () => {
  const { folder, write, output } = createPackage({ 'a.ts': 'export const a = 1\n', 'b.ts': 'export const b = 1\n' })
  buildModules(folder)
  write('b.ts', 'export const b: = 2\n')
  expect(() => buildModules(folder)).toThrow('src/ could not be compiled')

  write('b.ts', 'export const b = 3\n')
  expect(buildModules(folder)).toBe(true)
  expect([output('a.js'), output('b.js')]).toEqual([
    expect.stringContaining('export const a = 1;'),
    expect.stringContaining('export const b = 3;'),
  ])
})

test('a changed time stamp, a changed setting and a missing output each cause a build', () => {
  const { folder, output } = createPackage({ 'a.ts': 'export const a = 1\n', 'b.ts': 'export const b = 1\n' })
  buildModules(folder)
  utimesSync(join(folder, 'src/a.ts'), new Date(0), new Date(0))
  expect(buildModules(folder)).toBe(true)

  const settings = JSON.parse(readFileSync(join(folder, 'tsconfig.build.json'), 'utf8'))
  settings.compilerOptions.sourceMap = false
  writeFileSync(join(folder, 'tsconfig.build.json'), JSON.stringify(settings))
  expect(buildModules(folder)).toBe(true)

  rmSync(join(folder, 'build/src/b.js'))
  expect(buildModules(folder)).toBe(true)
  expect(output('b.js')).toContain('export const b = 1;')
  expect(buildModules(folder)).toBe(false)
})

// Files were written in place: a server that started meanwhile read an empty one ("Unexpected end of input").
test('a program that is being loaded during a build reads whole files', async () => {
  const entries = ['cli.ts', 'server/start.ts', 'config/settings.ts', 'fault-boundary.ts', 'log.ts', 'metrics.ts']
  const { folder, write } = createPackage(Object.fromEntries(entries.map((file) => [file, `console.log('old')\n`])))
  expect(await bundle(folder)).toBe(true)
  const opened = openSync(join(folder, 'dist/cli.js'), 'r')
  onTestFinished(() => closeSync(opened))

  write('cli.ts', `console.log('newer')\n`)
  expect(await bundle(folder)).toBe(true)
  expect(readFileSync(opened, 'utf8')).toContain('old')
  expect(readFileSync(join(folder, 'dist/cli.js'), 'utf8')).toContain('newer')
  expect(readdirSync(folder).filter((file) => file.startsWith('.'))).toEqual([])
})

/** Creates a package with our settings, our compiler and our bundler. */
function createPackage(sources: Readonly<Record<string, string>>) {
  const folder = mkdtempSync(join(tmpdir(), 'martlet-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  for (const name of ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'scripts/build.js'])
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
      const path = join(folder, 'build/src', file)
      return existsSync(path) ? readFileSync(path, 'utf8') : undefined
    },
  }
}
