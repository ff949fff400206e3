/**
 * Prepared statements that are sent to PostgreSQL together, with one Sync at their end. Part of postgres-connection.ts.
 *
 *   Parse (only once), Bind, Describe (only once), Execute, for each statement → Sync → results → ReadyForQuery
 *
 * The driver sends a Sync, and describes the rows, for each statement: the server then answers each in a packet of its own, which
 * both ends pay for. If a statement fails, the server skips those after it up to the Sync, so they fail with the same
 * error. Those before it stand: several statements are sent together only inside a transaction.
 *
 * A subclass of the driver's query, because it accepts no other one in a pipelined connection, and calls its `handle…` methods.
 */
import pg from 'pg'

/** A statement that the server has parsed, or will parse with its first use. */
export interface PreparedStatement {
  readonly text: string
  /** Unique in its connection. */
  name: string
  /** Whether it was sent to be parsed. */
  isSent: boolean
  /** The columns of its rows; undefined until its first result. A statement whose columns would change fails instead. */
  columns: readonly Column[] | undefined
}

interface Column {
  readonly name: string
  readonly read: (text: string) => unknown
}

export interface StatementResult<Row> {
  /** The first word of the command tag: SELECT, INSERT, COMMIT … */
  readonly command: string
  readonly rowCount: number
  readonly rows: Row[]
}

/** A value of a parameter: text, or bytes for the binary format. */
export type WireValue = string | Buffer | null

/** One statement to run. Exactly one of both functions is called. */
export interface SentStatement {
  readonly prepared: PreparedStatement
  readonly values: readonly WireValue[]
  readonly resolve: (result: StatementResult<never>) => void
  readonly reject: (error: unknown) => void
}

interface BatchNeeds {
  readonly types: pg.CustomTypesConfig
  /** Called when the batch has failed before the server has parsed this statement, or perhaps just after it. */
  readonly onUnparsed: (prepared: PreparedStatement) => void
  /** Called when all have their results. */
  readonly onEnd: () => void
}

/** The driver's connection as it is: the types of some methods are not. */
interface WireConnection {
  parse(statement: { readonly name: string; readonly text: string }): void
  bind(portal: { readonly statement: string; readonly values: readonly WireValue[] }): void
  describe(what: { readonly type: 'P' }): void
  execute(): void
  sync(): void
}

/** What the server said about a statement so far. */
interface Answer {
  rows: unknown[]
  /** The command tag; undefined: it has not ended. */
  tag: string | undefined
}

export class StatementBatch extends pg.Query {
  /** Set by the driver if the URL has a `query_timeout`: without the call, it would close the connection after this time. */
  declare callback?: (error?: unknown) => void
  readonly #statements: readonly SentStatement[]
  readonly #needs: BatchNeeds
  /** Those that the server parses in this batch. */
  readonly #parsed = new Set<PreparedStatement>()
  readonly #answers: Answer[] = [{ rows: [], tag: undefined }]

  /** @param statements at least one */
  constructor(statements: readonly SentStatement[], needs: BatchNeeds) {
    super('')
    this.#statements = statements
    this.#needs = needs
  }

  override submit = (driverConnection: pg.Connection): void => {
    const connection = driverConnection as unknown as WireConnection
    for (const { prepared, values } of this.#statements) {
      const { name, text, columns } = prepared
      if (!prepared.isSent) {
        prepared.isSent = true
        this.#parsed.add(prepared)
        connection.parse({ name, text })
      }
      connection.bind({ statement: name, values })
      if (columns === undefined) connection.describe({ type: 'P' })
      connection.execute()
    }
    connection.sync()
  }

  handleRowDescription({ fields }: { readonly fields: readonly pg.FieldDef[] }): void {
    this.#current().prepared.columns = fields.map(({ name, dataTypeID }) => ({
      name,
      read: this.#needs.types.getTypeParser(dataTypeID, 'text'),
    }))
  }

  handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    const columns = this.#current().prepared.columns!
    const row: Record<string, unknown> = {}
    for (let index = 0; index < fields.length; index += 1) {
      const [column, text] = [columns[index]!, fields[index]!]
      row[column.name] = text === null ? null : column.read(text)
    }
    this.#answers.at(-1)!.rows.push(row)
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    this.#current().prepared.columns ??= []
    this.#answers.at(-1)!.tag = text
    this.#answers.push({ rows: [], tag: undefined })
  }

  /** Called instead of `handleCommandComplete` for a statement without a command. */
  handleEmptyQuery(): void {
    this.handleCommandComplete({ text: '' })
  }

  /** Called after all statements have ended: only then has a statement outside a transaction been committed. */
  handleReadyForQuery(): void {
    this.#end()
    this.#resolve(this.#statements.length)
  }

  /** After it, `handleReadyForQuery` is not called. A second call, when the connection ends, changes nothing. */
  handleError(error: unknown): void {
    this.#end(error)
    // Outside a transaction, a statement that has ended may fail when it is committed.
    const failedAt = Math.min(this.#answers.length, this.#statements.length) - 1
    this.#resolve(failedAt)
    for (const { prepared, reject } of this.#statements.slice(failedAt)) {
      if (this.#parsed.delete(prepared)) this.#needs.onUnparsed(prepared)
      reject(error)
    }
  }

  #end(error?: unknown): void {
    this.#needs.onEnd()
    this.callback?.(error)
  }

  /** Resolves so many statements. */
  #resolve(count: number): void {
    for (const [index, { rows, tag = '' }] of this.#answers.slice(0, count).entries()) {
      const end = tag.indexOf(' ')
      const command = end < 0 ? tag : tag.slice(0, end)
      const rowCount = end < 0 ? 0 : Number(tag.slice(tag.lastIndexOf(' ') + 1)) || 0
      this.#statements[index]!.resolve({ command, rowCount, rows: rows as never[] })
    }
  }

  #current(): SentStatement {
    return this.#statements[this.#answers.length - 1]!
  }
}

/** Returns a parameter as it is sent. PostgreSQL does not accept NUL in text (JSON escapes it). Its replacement character still separates words. */
export function wireValue(value: unknown): WireValue {
  switch (typeof value) {
    case 'string':
      return value.includes('\0') ? value.replaceAll('\0', '\ufffd') : value
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value)
  }
  if (value === null || value === undefined) return null
  if (Array.isArray(value)) return arrayText(value)
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  throw new TypeError('a parameter is a text, a number, bytes, or a list of these')
}

/** Returns an array in PostgreSQL's text format (its manual, § 8.15.6). */
function arrayText(values: readonly unknown[]): string {
  let text = '{'
  for (const [index, value] of values.entries()) {
    if (index > 0) text += ','
    text += elementText(value)
  }
  return `${text}}`
}

function elementText(value: unknown): string {
  if (typeof value === 'number') return String(value)
  const text = wireValue(value)
  if (text === null) return 'NULL'
  if (typeof text !== 'string') return `"\\\\x${text.toString('hex')}"`
  return /["\\]/.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : `"${text}"`
}
