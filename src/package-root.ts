/** The folder of this package, which holds `package.json` and `docs/`. */
import { existsSync, readFileSync } from 'node:fs'

/** Ends with "/". The running code is in `dist/` or, in tests, below `build/src/`. */
export const packageRoot: URL = findRoot()

/** Reads the version in `package.json`. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('package.json', packageRoot), 'utf8')) as {
    readonly version: string
  }
  return version
}

function findRoot(): URL {
  for (let folder = new URL('.', import.meta.url); ; folder = new URL('..', folder)) {
    if (existsSync(new URL('package.json', folder)) || folder.pathname === '/') return folder
  }
}
