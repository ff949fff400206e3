/**
 * Programs of the distribution that a test runs without installing them: their packages are downloaded and unpacked below
 * node_modules/.cache, which needs no root. So two servers whose packages exclude each other can be tested on one machine.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { root } from './imports.ts'

const run = promisify(execFile)
const DOWNLOAD_MS = 120_000

/**
 * Returns the folder with the files of these packages, as they would be below "/"; skips the test where there is no apt, or where it
 * reaches no archive.
 */
export async function unpackedOrSkip(skip: (why: string) => never, names: readonly string[]): Promise<string> {
  if (!existsSync('/usr/bin/apt-get')) skip(`this system has no apt-get to download ${names.join(' and ')}`)
  const folder = join(root, 'node_modules/.cache/martlet', `debian-${names.join('-')}`)
  if (existsSync(folder)) return folder
  await mkdir(dirname(folder), { recursive: true })
  const scratch = await mkdtemp(`${folder}-`)
  try {
    await download(names, scratch).catch((error: { readonly stderr?: string }) => {
      skip(`the packages cannot be downloaded: ${error.stderr}`)
    })
    const files = (await readdir(scratch)).filter((name) => name.endsWith('.deb'))
    for (const file of files) await run('dpkg-deb', ['--extract', join(scratch, file), join(scratch, 'files')])
    await rename(join(scratch, 'files'), folder)
  } catch (error) {
    if (!existsSync(folder)) throw error // it exists if another run has unpacked them meanwhile
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
  return folder
}

async function download(names: readonly string[], cwd: string): Promise<void> {
  const options = { cwd, timeout: DOWNLOAD_MS }
  const get = () => run('apt-get', ['download', ...names], options)
  try {
    await get()
  } catch (error) {
    if (process.getuid?.() !== 0) throw error
    await run('apt-get', ['update'], options) // images of containers have no lists of packages
    await get()
  }
}
