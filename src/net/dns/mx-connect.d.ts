/** Types for the parts of mx-connect that we use; the package has none. Checked against the pinned version 2.0.0. */
declare module 'mx-connect' {
  import type { Socket } from 'node:net'

  type RecordType = 'MX' | 'A' | 'AAAA'

  interface Options {
    /** A domain, or an address literal in brackets. */
    target: string
    port: number
    /** Milliseconds per host. */
    maxConnectTime: number
    dnsOptions: {
      /** Must reject with `code` ENOTFOUND or ENODATA if there is no record; other errors count as temporary. */
      resolveRecords(name: string, type: RecordType): Promise<readonly unknown[]>
    }
    /** Addresses to skip. */
    ignoreMXHosts: readonly string[]
    /** Called before each connection; an error ends the whole attempt with that error. */
    connectHook(delivery: unknown, options: { host: string }, callback: (error?: Error) => void): void
    /** Called for each host that did not answer. */
    connectError(error: Error, delivery: unknown, options: { host: string }): void
  }

  interface Connection {
    socket: Socket
    /** The name of the mail server. */
    hostname: string
    /** The address of the mail server. */
    host: string
    port: number
  }

  /** Rejects with an error that has `code` (ENULLMX, ENOTFOUND, …) and `category` ("dns" or "network"). */
  export default function mxConnect(options: Options): Promise<Connection>
}
