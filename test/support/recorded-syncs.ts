/**
 * Records which files and folders a separate process flushes to the disk (fsync): pass `nodeOptions` as NODE_OPTIONS. Whether a flush
 * survives a power loss cannot be tested here, but whether there is one.
 */
import { readFileSync } from 'node:fs'

export interface RecordedSyncs {
  readonly nodeOptions: string
  /** Returns the paths that were flushed so far. */
  paths(): readonly string[]
}

/** @param file gets one path per line */
export function recordSyncs(file: string): RecordedSyncs {
  const module = `
    import fs from 'node:fs'
    import { syncBuiltinESMExports } from 'node:module'
    const opened = new Map()
    const record = (fd) => fs.appendFileSync(${JSON.stringify(file)}, opened.get(fd) + '\\n')
    const { openSync, fsyncSync } = fs
    const { open } = fs.promises
    fs.openSync = (path, ...rest) => {
      const fd = openSync(path, ...rest)
      opened.set(fd, path)
      return fd
    }
    fs.fsyncSync = (fd) => {
      fsyncSync(fd)
      record(fd)
    }
    fs.promises.open = async (path, ...rest) => {
      const handle = await open(path, ...rest)
      opened.set(handle.fd, path)
      const { sync } = handle
      handle.sync = async () => {
        await sync.call(handle)
        record(handle.fd)
      }
      return handle
    }
    syncBuiltinESMExports()`
  return {
    nodeOptions: `--import=data:text/javascript;base64,${Buffer.from(module).toString('base64')}`,
    paths: () => readFileSync(file, 'utf8').split('\n'),
  }
}
