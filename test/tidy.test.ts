/**
 * Tests of the code's structure: imports, names, sizes, and whether documents agree with the code. Each message says
 * what to do. The rules and their reasons are in ARCHITECTURE.md and CONTRIBUTING.md.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, join, posix } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { limits } from '../src/config/limits.ts'
import { settings } from '../src/config/settings.ts'
import { errors } from '../src/errors.ts'
import { filesBelow, importsOf, packageOf, resolveImport, root, textOf, withoutComments } from './support/imports.ts'
import './support/program.ts' // waits for the bundle
import { WITH_STORE, WITHOUT_STORE } from './support/without-store.ts'

const sources = filesBelow('src').filter((file) => file.endsWith('.ts'))
const packageJson = JSON.parse(textOf('package.json'))

/** Below all others, and above all others: files and folders. */
const GROUND = [
  'src/deadline.ts',
  'src/errors.ts',
  'src/errors/',
  'src/event-loop.ts',
  'src/fault-boundary.ts',
  'src/host-name.ts',
  'src/log.ts',
  'src/metrics.ts',
  'src/package-root.ts',
  'src/retry-pause.ts',
  'src/thread-scheduling.ts',
  'src/when-ready.ts',
  'src/worker-threads.ts',
  'src/config/',
]
const TOP = ['src/cli.ts', 'src/cli/', 'src/server/']

/** Modules of src/mail: each imports only those before it in the list; two in one entry do not import each other. */
const MODULES = [
  ['access'],
  ['jobs', 'events'],
  ['tenants'],
  ['domains'],
  ['inboxes'],
  ['messages'],
  ['sending'],
  ['receiving'],
  ['mailboxes'],
  ['webhooks'],
  ['notifications'],
  ['accounts'],
  ['reports'],
]

function isIn(file: string, places: readonly string[]): boolean {
  return places.some((place) => (place.endsWith('/') ? file.startsWith(place) : file === place))
}

/** Returns the folders and files from which a file may import; undefined: the file is not in the table. */
function mayImport(file: string): readonly string[] | undefined {
  const [, layer, module = '', part = '', dialect = ''] = file.split('/')
  if (isIn(file, TOP)) return ['src/']
  if (isIn(file, GROUND)) return GROUND
  if (layer === 'formats') return ['src/formats/']
  if (layer === 'net') return ['src/net/', 'src/formats/', ...GROUND]
  if (layer === 'store') return ['src/store/', 'src/formats/', ...GROUND]
  if (layer === 'mail') {
    const rank = MODULES.findIndex((modules) => modules.includes(module))
    if (rank === -1) return undefined
    const modules = [...MODULES.slice(0, rank).flat(), module].map((name) => `src/mail/${name}/`)
    return ['src/store/', 'src/net/', 'src/formats/', ...GROUND, ...modules]
  }
  // The core of IMAP serves any store: only its adapter knows ours.
  if (layer === 'edges' && module === 'imap' && part !== 'martlet') {
    return ['src/formats/', ...GROUND, ...edgesOf(file, module, part, dialect)]
  }
  return layer === 'edges'
    ? ['src/mail/', 'src/formats/', ...GROUND, ...edgesOf(file, module, part, dialect)]
    : undefined
}

/** What the parts of src/edges/imap may import: none knows what a store is made of, except `martlet`. */
const IMAP_PARTS: Readonly<Record<string, readonly string[]>> = {
  session: ['grammar'],
  commands: ['grammar', 'session'],
  listener: ['grammar', 'session', 'commands'],
  martlet: ['session'],
}

/** Which parts of the edges a file of theirs may import. */
function edgesOf(file: string, protocol: string, part: string, dialect: string): string[] {
  const common = ['src/edges/tls.ts', 'src/edges/connection-limits.ts']
  if (common.includes(file)) return []
  const own = [...common, `src/edges/${protocol}/${part}/`]
  if (protocol === 'smtp') return part === 'protocol' ? own : [...own, 'src/edges/smtp/protocol/']
  if (protocol === 'imap') return [...own, ...(IMAP_PARTS[part] ?? []).map((name) => `src/edges/imap/${name}/`)]
  if (protocol !== 'http' || part === 'server') return own
  if (part === 'live') return [...own, 'src/edges/http/server/']
  const shared = dialect === 'inboxai' ? ['src/edges/http/dialects/agentmail/'] : [] // it has AgentMail's shapes
  return ['src/edges/http/server/', 'src/edges/http/live/', `src/edges/http/dialects/${dialect}/`, ...shared]
}

/** Maps each file to those of our files that it imports, for values or for types. */
const graph = new Map(
  sources.map((file) => [file, importsOf(textOf(file)).flatMap((name) => resolveImport(file, name) ?? [])]),
)

test('imports go one way, as in the table of ARCHITECTURE.md', () => {
  const broken = [...graph].flatMap(([file, imported]) => {
    const allowed = mayImport(file)
    if (!allowed) return [`${file} is not in the import table: add it there, or move it to another folder`]
    return imported
      .filter((target) => !isIn(target, allowed))
      .map((target) => `${file} must not import ${target}: pass it in from start.ts, or move the shared code down`)
  })
  expect(broken).toEqual([])
})

test('there is no import cycle, not even of types', () => {
  const circles = circlesOf(graph).map((files) => `${files.join(' → ')}: move what they share to a separate file`)
  expect(circles).toEqual([])
})

test('src imports only packages that package.json names, and those that are not bundled are "dependencies"', () => {
  const imported = new Set(sources.flatMap((file) => importsOf(textOf(file)).flatMap((name) => packageOf(name) ?? [])))
  const declared = { ...packageJson.dependencies, ...packageJson.devDependencies }
  const missing = [...imported].filter((name) => !(name in declared))
  expect(missing.map((name) => `${name} is imported: put it under "devDependencies"`)).toEqual([])

  const loaded = new Set(
    filesBelow('dist')
      .filter((file) => file.endsWith('.js'))
      .flatMap((file) => loadedBy(textOf(file))),
  )
  expect([...loaded], 'packages that dist/ loads when it runs').toEqual(Object.keys(packageJson.dependencies))
})

/** Packages that a file of the bundle imports or requires. */
function loadedBy(source: string): string[] {
  const loads = source.matchAll(/^import\b.*?"([^"]+)";$|\b__require\("([^"]+)"\)/gm)
  const names = [...loads].map((match) => match[1] ?? match[2]!)
  // Those that bundled packages use only if they are installed.
  const optional = ['pg-native', 'supports-color', 'bufferutil', 'utf-8-validate']
  return names
    .flatMap((name) => packageOf(name) ?? [])
    .filter((name) => !builtinModules.includes(name) && !optional.includes(name))
}

test('tests, benchmarks and scripts import only packages that package.json names', () => {
  const declared = { ...packageJson.dependencies, ...packageJson.devDependencies }
  const missing = ['test', 'bench', 'scripts'].flatMap((folder) =>
    filesBelow(folder)
      .filter((file) => /\.[jt]s$/.test(file))
      .flatMap((file) => importsOf(textOf(file)).map((name) => ({ file, name: packageOf(name) })))
      .filter(({ name }) => name !== undefined && name !== packageJson.name && !(name in declared))
      .map(({ file, name }) => `${file} imports ${name}: put it under "devDependencies"`),
  )
  expect(missing).toEqual([])
})

/** What opens a database. */
const OPENS =
  /\b(startWorld|startNodes|startServer|openTestStore|openStore|temporaryFolder|createTestDatabase|FeedWorld|sendMail)\(/
/** Files in which only some functions do so: who calls none of those opens no database. */
const OPENERS = ['test/store/test-store.ts', 'test/support/test-database.ts', 'test/support/world.ts']

/** Whether a test file calls one of these functions, or imports a file that does. */
function opensDatabase(file: string): boolean {
  const source = textOf(file)
  if (OPENS.test(source)) return true
  return importsOf(source)
    .map((name) => resolveImport(file, name))
    .some((path) => path?.startsWith('test/') && path.endsWith('.ts') && !OPENERS.includes(path) && opensDatabase(path))
}

test('a test file that runs on one database only does not open one', () => {
  const wrong = WITHOUT_STORE.filter((file) => OPENS.test(textOf(file)))
  expect(wrong.map((file) => `${file} opens a store: remove it from test/support/without-store.ts`)).toEqual([])
})

test('a test file that opens no database runs once', () => {
  const twice = filesBelow('test').filter(
    (file) => file.endsWith('.test.ts') && WITH_STORE.some((folder) => file.startsWith(folder)),
  )
  const wrong = twice.filter((file) => !WITHOUT_STORE.includes(file) && !opensDatabase(file))
  expect(wrong.map((file) => `${file} opens no store: add it to test/support/without-store.ts`)).toEqual([])
})

test('docs/dependencies.md gives a reason for each package', () => {
  const page = textOf('docs/dependencies.md')
  const names = Object.keys({ ...packageJson.dependencies, ...packageJson.devDependencies })
  const missing = names.filter((name) => !page.includes(`\`${name}\``))
  expect(missing.map((name) => `docs/dependencies.md does not say what \`${name}\` is for`)).toEqual([])
})

test('generated pages are up to date', () => {
  const folder = mkdtempSync(join(tmpdir(), 'martlet-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const written = execFileSync(process.execPath, [join(root, 'scripts/generate-docs.js'), folder], { encoding: 'utf8' })
  const stale = written
    .trim()
    .split('\n')
    .filter((file) => readFileSync(file, 'utf8') !== textOf(`docs/${basename(file)}`))
  expect(stale.map((file) => `docs/${basename(file)} is stale: run npm run docs`)).toEqual([])
})

test('no file of src is longer than 400 lines', () => {
  const long = sources.filter((file) => textOf(file).split('\n').length > 400)
  expect(long.map((file) => `${file}: move its second subject to a separate file`)).toEqual([])
})

test('every file of src opens with a comment on its purpose', () => {
  const bare = sources.filter((file) => !/^(?:#!.*\n)?\/(?:\*\*|\/)/.test(textOf(file)))
  expect(bare.map((file) => `${file}: begin with a comment that says what it is for and what it must not do`)).toEqual(
    [],
  )
})

test('files and folders are named after their subjects', () => {
  const empty = /^(?:utils?|helpers?|common|misc|types?|tools?|shared|index)$|\bmanagers?\b/
  const named = sources.filter((file) =>
    file
      .split('/')
      .map((part) => part.replace(/\.ts$/, ''))
      .some(
        (part) =>
          empty.test(part) && !(part === 'index' && /^src\/edges\/http\/dialects\/[^/]+\/index\.ts$/.test(file)),
      ),
  )
  expect(named.map((file) => `${file}: name it after its subject; index.ts is only for a dialect's entry`)).toEqual([])
  const shapes = sources.filter((file) => !/^src\/[a-z0-9/.-]+\.ts$/.test(file))
  expect(shapes.map((file) => `${file}: use kebab-case`)).toEqual([])
})

test('no two files of src have the same name, except the entry of a dialect', () => {
  const names = sources.map((file) => basename(file)).filter((name) => name !== 'index.ts')
  const repeated = names.filter((name, position) => names.indexOf(name) !== position)
  expect(repeated.map((name) => `${name}: name it after its subject and its layer`)).toEqual([])
})

test('code and files use standard terms, not the private words that they replaced', () => {
  const words = [
    ...[
      'Dialogue',
      'Admission',
      'Failures',
      'Patience',
      'patience',
      'hurry',
      'mountDialect',
      'createFrames',
      'tellAll',
    ],
    ...['Audience', 'audience', 'Interest', 'interest', 'Stretch', 'stretch', 'Awaiting', 'awaiting', 'News', 'news'],
    ...['WaysOut', 'Lane', 'Lanes', 'lane', 'lanes', 'lineUp', 'lining_up', 'sendAnew', 'settleWebhook', 'keepTold'],
    ...['noticeWaiting', 'nudge', 'Looks', 'CommitWait', 'Bell', 'OtherNodes', 'LostCommit', 'DataFolder', 'heed'],
    ...['telling', 'told', 'tell', 'dice', 'CatchingMx', 'whoever', 'Whoever'],
  ]
  const privateWord = new RegExp(`\\b(?:${words.join('|')}|hold(?:Any|By|Inbox|Pod|Webhook)\\w*|keep(?:ById|Pod))\\b`)
  const code = [...sources, ...filesBelow('bench'), ...filesBelow('test')].filter(
    (file) => file.endsWith('.ts') && file !== 'test/tidy.test.ts' && !file.includes('formats/'),
  )
  const found = code.flatMap((file) => {
    const word = privateWord.exec(withoutTexts(textOf(file)))
    return word ? [`${file} says "${word[0]}": use the standard term (ARCHITECTURE.md, "Glossary")`] : []
  })
  expect(found).toEqual([])

  const files =
    /\/(?:bell|looks|commit-wait|telling|patience|mounting|interest|audience|stretch|awaiting|news|lanes|ways-out)\b/
  expect(sources.filter((file) => files.test(file))).toEqual([])

  const anonymous = sources.filter((file) => /^import \* as table from/m.test(textOf(file)))
  expect(anonymous.map((file) => `${file}: import a table module under its own name`)).toEqual([])

  const stiff = /whoever|is told|are told|told of/gi
  const pages = [
    ...sources,
    ...filesBelow('docs'),
    ...filesBelow('test'),
    ...trackedFiles().filter((file) => /^[^/]+\.md$/.test(file)),
  ]
  const hits = pages.flatMap((file) => (textOf(file).match(stiff) ?? []).map((hit) => `${file}: ${hit}`))
  expect(hits.length, hits.join('\n')).toBeLessThanOrEqual(20)
})

test('no marks of unfinished work are left', () => {
  const mark = new RegExp(`\\b(?:${'TO'}DO|${'FIX'}ME|${'XX'}X)\\b`)
  const left = [...sources, ...filesBelow('test'), ...filesBelow('scripts')].filter((file) => mark.test(textOf(file)))
  expect(left.map((file) => `${file}: do it, or say in a sentence who needs it and when`)).toEqual([])
})

test('every limit, setting and error is used', () => {
  const code = sources.map((file) => [file, withoutComments(textOf(file))] as const)
  /** @param word a part of each match, which is found faster than the pattern */
  const usedIn = (word: string, pattern: RegExp, ...owners: string[]) =>
    code.some(([file, text]) => text.includes(word) && !owners.includes(file) && pattern.test(text))

  const limitFiles = sources.filter((file) => file.startsWith('src/config/limits'))
  const idleLimits = Object.entries(limits).flatMap(([group, members]) =>
    Object.keys(members)
      .filter((name) => {
        const access = `\\b${group}\\.${name}\\b`
        const pattern = `\\{[^{}]*\\b${name}\\b[^{}]*\\} = [\\w.#]*limits\\.${group}\\b`
        const nested = `\\b${group}: \\{[^}]*\\b${name}\\b`
        return !usedIn(name, new RegExp([access, pattern, nested].join('|')), ...limitFiles)
      })
      .map((name) => `${group}.${name}`),
  )
  expect(idleLimits.map((name) => `limits.${name} is not used: use it or remove it`)).toEqual([])
  const settingFiles = ['src/config/settings.ts', 'src/config/receiving-settings.ts']
  const own = { tlsCertFile: 'tls', tlsKeyFile: 'tls', blobsUrl: 'blobsDir' } as Readonly<Record<string, string>>
  const idleSettings = Object.keys(settings).filter(
    (name) => !usedIn(own[name] ?? name, new RegExp(`\\b${own[name] ?? name}\\b`), ...settingFiles),
  )
  expect(idleSettings.map((name) => `the setting ${name} is not used: use it or remove it`)).toEqual([])
  const idleErrors = Object.keys(errors).filter(
    (name) => !usedIn(name, new RegExp(`MailError\\(\\s*'${name}'`), 'src/errors.ts'),
  )
  expect(idleErrors.map((name) => `no code throws the error ${name}: throw it or remove it`)).toEqual([])
})

test('the name of a limit ends with its unit, and then Max or Min if it is a bound', () => {
  const ends = {
    bytes: /(?<!Max|Min)Bytes(?:Max|Min)?$/i,
    milliseconds: /(?<!Max|Min)Ms(?:Max|Min)?$/,
    count: /^(?!.*(?:Bytes|Ms)(?:Max|Min)?$)/,
  }
  const wrong = Object.entries(limits).flatMap(([group, members]) =>
    Object.entries(members)
      .filter(([name, { unit }]) => !ends[unit as keyof typeof ends].test(name))
      .map(([name, { unit }]) => `limits.${group}.${name} is in ${unit}: end its name with the unit, then Max or Min`),
  )
  expect(wrong).toEqual([])
})

test('no file contains a path of the machine on which it was written', () => {
  const elsewhere = /(?<![\w.])[/](?:work|root|home[/][a-z]+)[/]|[.][.][/]shared\b/
  const telling = trackedFiles().filter((file) => elsewhere.test(textOf(file)))
  expect(telling.map((file) => `${file} contains a path of one machine: make it relative to the repository`)).toEqual(
    [],
  )
})

test('every document that a file refers to is in the repository', () => {
  const missing = trackedFiles().flatMap((file) => {
    const text = textOf(file)
    const links = file.endsWith('.md') ? [...text.matchAll(/\]\(([^)#\s]+)/g)].map((match) => match[1]!) : []
    const inside = links
      .filter((link) => !/^[a-z]+:/.test(link))
      .map((link) => posix.join(posix.dirname(file), link))
      .filter((path) => !existsSync(join(root, path)))
    // In text and comments: docs/errors.md, or an ADR by its number (docs/adr/0003).
    const named = [...text.matchAll(/\bdocs\/[\w/-]+(?:\.md)?/g)]
      .map((match) => match[0])
      .filter((name) => !documents.some((path) => path.startsWith(name)))
    const foreign =
      text.match(new RegExp(`\\bdesi${'gn'} §|\\bdesi${'gn'}\\.md|\\bcontr${'act'} [\\w-]+\\.md`, 'g')) ?? []
    return [...inside, ...named, ...foreign].map(
      (name) => `${file} refers to "${name}", which is not in the repository`,
    )
  })
  expect(missing).toEqual([])
})

test('docs/specifications.md lists every RFC that the code names', () => {
  const page = textOf('docs/specifications.md')
  const named = new Set(
    sources.flatMap((file) => [...textOf(file).matchAll(/\bRFC (\d{3,5})\b/g)].map((match) => match[1]!)),
  )
  const missing = [...named].filter((number) => !new RegExp(`\\b${number}\\b`).test(page))
  expect(missing.map((number) => `RFC ${number} is not in docs/specifications.md: say what is implemented`)).toEqual([])
})

test('ARCHITECTURE.md follows an arriving message in at most eight steps', () => {
  const [, path = ''] = textOf('ARCHITECTURE.md').split('**A message arrives and an agent gets its event**')
  const steps = path.split(/\n\*\*|\n#/, 1)[0]!.match(/^\d+\. /gm) ?? []
  expect(steps.length).toBeGreaterThan(0)
  expect(steps.length).toBeLessThanOrEqual(8)
})

test('documents and comments name only source files that exist', () => {
  const known = trackedFiles()
  const pages = [...sources, ...known.filter((file) => /^(?:docs\/.+|[A-Z]+)\.md$/.test(file))]
  const lost = pages.flatMap((page) => {
    const text = textOf(page).replace(/^(?:import|export|\}) .*from '.*$/gm, '')
    // Not in quotes, where a path is one of the program's, such as import('./x.ts').
    return [...text.matchAll(/(?<![\w/.'-])(?:src\/)?((?:[\w-]+\/)*[\w-]+(?:\.[\w-]+)*\.ts)\b/g)]
      .map((match) => match[1]!)
      .filter((name) => name !== 'subject-layer.ts') // the pattern in CONTRIBUTING.md
      .filter((name) => !known.some((file) => file === name || file.endsWith(`/${name}`)))
      .map((name) => `${page} refers to ${name}, which does not exist`)
  })
  expect(lost).toEqual([])
})

test('SECURITY.md names existing tests for everything that it says is protected', () => {
  const page = textOf('SECURITY.md')
  const [, protectedPart = '', tests = ''] = page.split(/^## (?:What is protected|Where this is tested)$/m)
  const claims = [...protectedPart.split('## What is not')[0]!.matchAll(/^- \*\*(.+?)\*\*/gm)].map((match) => match[1]!)
  const rows = [...tests.matchAll(/^\| ([^|`]+?) \| (`.+) \|$/gm)].map(([, claim, files]) => ({ claim, files: files! }))
  expect(claims.length).toBeGreaterThan(10)
  expect(claims.filter((claim) => !rows.some((row) => row.claim === claim))).toEqual([])
  const named = rows.flatMap(({ files }) => [...files.matchAll(/`([^`]+)`/g)].map((match) => match[1]!))
  expect(named.filter((file) => !existsSync(join(root, file)))).toEqual([])
})

test('importsOf finds every kind of import', () => {
  const source = [
    "/** import { no } from 'comment' */",
    "import { a } from './a.ts'",
    'import {',
    '  b,',
    "} from './b.ts'",
    "import type { C } from './c.ts'",
    "import './d.ts'",
    "export { e } from './e.ts'",
    "export * from './f.ts'",
    "import g, { type G } from '@scope/g/sub'",
    "type H = import('./h.ts').H",
    "const text = 'from nowhere' // import { no } from 'comment'",
    "export const i = from('i')",
  ].join('\n')
  expect(importsOf(source)).toEqual([
    './a.ts',
    './b.ts',
    './c.ts',
    './d.ts',
    './e.ts',
    './f.ts',
    '@scope/g/sub',
    './h.ts',
  ])
  expect(['node:fs', './a.ts', '@scope/g/sub', 'ws', 'typebox/compile'].map(packageOf)).toEqual([
    undefined,
    undefined,
    '@scope/g',
    'ws',
    'typebox',
  ])
})

test('circlesOf finds cycles', () => {
  const circle = new Map([
    ['a', ['b', 'd']],
    ['b', ['c']],
    ['c', ['a', 'd']],
    ['d', []],
  ])
  expect(circlesOf(circle)).toEqual([['a', 'b', 'c']])
})

const documents = filesBelow('docs')

/** Removes comments and the contents of strings, so that only identifiers remain. */
function withoutTexts(source: string): string {
  return withoutComments(source).replace(/'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/g, "''")
}

function trackedFiles(): string[] {
  const list = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
  return list.split('\n').filter((file) => file !== '' && file !== 'package-lock.json' && existsSync(join(root, file)))
}

/** Returns groups of files that all reach each other (Tarjan), and files that import themselves. */
function circlesOf(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const indexes = new Map<string, number>()
  const lows = new Map<string, number>()
  const stack: string[] = []
  const circles: string[][] = []
  for (const file of edges.keys()) if (!indexes.has(file)) visit(file)
  return circles

  function visit(file: string): void {
    const index = indexes.size
    indexes.set(file, index)
    lows.set(file, index)
    stack.push(file)
    for (const next of edges.get(file) ?? []) {
      if (!indexes.has(next)) visit(next)
      if (stack.includes(next)) lows.set(file, Math.min(lows.get(file)!, lows.get(next)!))
    }
    if (lows.get(file) !== index) return
    const circle = stack.splice(stack.indexOf(file))
    if (circle.length > 1 || edges.get(file)?.includes(file)) circles.push(circle)
  }
}
