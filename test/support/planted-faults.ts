/**
 * Causes errors that no code of the server handles, in a server that runs as a separate process: pass the result as
 * NODE_OPTIONS.
 *
 * A connection to a port in `Faults` causes the error that the port's name says. A text that contains "planted-rejection" or "planted-exception"
 * causes that error when it is hashed or parsed as JSON: the body of a message, for example, or a frame.
 */
interface Faults {
  /** A callback throws. */
  readonly exceptionPort?: number
  /** A promise that nobody awaits rejects. */
  readonly rejectionPort?: number
  /** The process aborts, as it does when the heap is exhausted. */
  readonly abortPort?: number
}

export function plantFaults(faults: Faults): string {
  const module = `
    import crypto from 'node:crypto'
    import { syncBuiltinESMExports } from 'node:module'
    import { Socket } from 'node:net'
    const faults = ${JSON.stringify(faults)}
    const throwLater = () => setImmediate(() => { throw new Error('planted exception') })
    const reject = () => void Promise.reject(new Error('planted rejection'))
    const { connect } = Socket.prototype
    Socket.prototype.connect = function (...given) {
      const { port } = Array.isArray(given[0]) ? given[0][0] : given[0]
      if (Number(port) === faults.exceptionPort) return throwLater(), this
      if (Number(port) === faults.rejectionPort) return reject(), this
      if (Number(port) === faults.abortPort) process.abort()
      return connect.apply(this, given)
    }
    const { parse } = JSON
    JSON.parse = (text, reviver) => {
      if (String(text).includes('planted-rejection')) reject()
      return parse(text, reviver)
    }
    const failIfPlanted = (data) => {
      if (data.includes('planted-rejection')) reject()
      if (data.includes('planted-exception')) throwLater()
    }
    const { hash, Hash } = crypto
    const { update } = Hash.prototype
    Hash.prototype.update = function (data, encoding) {
      failIfPlanted(data)
      return update.call(this, data, encoding)
    }
    crypto.hash = (algorithm, data, encoding) => {
      failIfPlanted(data)
      return hash(algorithm, data, encoding)
    }
    syncBuiltinESMExports()`
  return `--import=data:text/javascript;base64,${Buffer.from(module).toString('base64')}`
}
