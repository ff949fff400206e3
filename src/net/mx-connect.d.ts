/** What we use of mx-connect, which comes without types. Checked against its version 2.0.0, which is pinned. */
declare module 'mx-connect' {
  import type { Socket } from 'node:net'

  type RecordType = 'MX' | 'A' | 'AAAA'

  interface Options {
    /** Domain, or address literal in brackets. */
    target: string
    port: number
    /** For each host. */
    maxConnectTime: number
    dnsOptions: {
      /** Rejects with `code` ENOTFOUND or ENODATA where there is nothing; other errors are temporary. */
      resolveRecords(name: string, type: RecordType): Promise<readonly unknown[]>
    }
    /** Addresses that are passed over. */
    ignoreMXHosts: readonly string[]
    /** Before each connection; an error ends the whole attempt with that error. */
    connectHook(delivery: unknown, options: { host: string }, callback: (error?: Error) => void): void
    /** Told of each host that did not answer. */
    connectError(error: Error, delivery: unknown, options: { host: string }): void
  }

  interface Connection {
    socket: Socket
    /** Name of the mail server. */
    hostname: string
    /** Its address. */
    host: string
    port: number
  }

  /** Rejects with an error that has `code` (ENULLMX, ENOTFOUND, …) and `category` ("dns" or "network"). */
  export default function mxConnect(options: Options): Promise<Connection>
}
