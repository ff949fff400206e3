/**
 * Reads which modules a source file imports, for the tests of form (TypeScript 7 exports no compiler API). It leans on the
 * formatter: an import or export statement begins at the start of a line, and its module name ends one.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Paths relative to the repository, with "/", of every file below a folder of it. */
export function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .sort()
}

export function textOf(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}

/** Module names as written, of imports of values, of types, for effect, re-exported, and dynamic. */
export function importsOf(source: string): string[] {
  const code = withoutComments(source)
  const statements = code.matchAll(/^(?:import|export)\b(?:[^'"`;=]*?\bfrom)?\s*'([^']+)'/gm)
  const dynamic = code.matchAll(/\bimport\(\s*'([^']+)'/g)
  return [...statements, ...dynamic].map((match) => match[1]!)
}

/** Good enough for formatted code: blocks that begin a line, and what follows "//" at its start or after a space. */
export function withoutComments(source: string): string {
  return source.replace(/^[ \t]*\/\*[\s\S]*?\*\//gm, '').replace(/(^|\s)\/\/.*$/gm, '$1')
}

/** A relative import as a path relative to the repository; undefined for a package or one of Node's own modules. */
export function resolveImport(file: string, name: string): string | undefined {
  return name.startsWith('.') ? posix.join(posix.dirname(file), name) : undefined
}

/** "@scope/name" or "name" of an imported package; undefined for our own files and Node's modules. */
export function packageOf(name: string): string | undefined {
  if (name.startsWith('.') || name.startsWith('node:')) return undefined
  return name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/')
}
