/**
 * Finds the modules that a source file imports, for the tests of code structure (TypeScript 7 exports no compiler API).
 * It relies on the formatter: an import or export statement begins at the start of a line, and its module name ends
 * one.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** Returns the paths of all files below a folder, relative to the repository, with "/". */
export function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .sort()
}

export function textOf(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}

/** Returns the names of all imported modules as written: values, types, side effects, re-exports, dynamic imports. */
export function importsOf(source: string): string[] {
  const code = withoutComments(source)
  const statements = code.matchAll(/^(?:import|export)\b(?:[^'"`;=]*?\bfrom)?\s*'([^']+)'/gm)
  const dynamic = code.matchAll(/\bimport\(\s*'([^']+)'/g)
  return [...statements, ...dynamic].map((match) => match[1]!)
}

/** Removes block comments at a line's start, and "//" comments there or after a space: enough for formatted code. */
export function withoutComments(source: string): string {
  return source.replace(/^[ \t]*\/\*[\s\S]*?\*\//gm, '').replace(/(^|\s)\/\/.*$/gm, '$1')
}

/** Returns the path of a relative import from the repository's root; undefined for a package or a module of Node. */
export function resolveImport(file: string, name: string): string | undefined {
  return name.startsWith('.') ? posix.join(posix.dirname(file), name) : undefined
}

/** Returns "@scope/name" or "name" of an imported package; undefined for our own files and Node's modules. */
export function packageOf(name: string): string | undefined {
  if (name.startsWith('.') || name.startsWith('node:')) return undefined
  return name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/')
}
