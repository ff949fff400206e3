/**
 * Queries of the busiest paths, built and compiled once: building one again for each call takes longer than SQLite needs
 * to run it. All other queries use Kysely directly; row-statements.ts has the statements that file messages.
 */
import {
  type CompiledQuery,
  createQueryId,
  DummyDriver,
  isExpression,
  Kysely,
  type QueryExecutor,
  type RootOperationNode,
  type SelectQueryBuilder,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import type { Db, Tx } from './handles.ts'
import { DirectExecutor } from './kysely-props.ts'
import { LruCache } from './lru-cache.ts'
import type { Schema } from './schema/schema.ts'

/** A query of Kysely that has not run. */
interface Query<Row> {
  toOperationNode(): RootOperationNode
  execute(): Promise<Row[]>
}

/** Compiled forms of one query: each length of its lists is another statement. */
const SHAPES_MAX = 100

/** A parameter: the position of its value among all values of the call. */
class Slot {
  readonly index: number

  constructor(index: number) {
    this.index = index
  }

  /** For `a > b` and texts with a value, which would be wrong in the next call. */
  [Symbol.toPrimitive](): never {
    throw new Error('a prepared query must not look at its values')
  }
}

/** Stands for an expression in the shape of a query. */
const EXPRESSION = '\0'

/** Builds queries. Each is compiled by the database that it runs on. */
const builder = new Kysely<Schema>({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
})

/**
 * @param build returns the query. It gets `values` with placeholders instead of texts and numbers, which it must use as
 *   parameters and must not look at. It may look at booleans, at the length of lists, and whether a value is undefined:
 *   the query is built once for each combination of them. With an expression among the values, such as the clock of the database,
 *   it is built for each call
 * @returns a function that runs the query with values and returns all rows
 */
export function prepareQuery<Values extends object, Row>(
  build: (db: Db, values: Values) => Query<Row>,
): (db: Db, values: Values) => Promise<Row[]> {
  return asynchronously(prepare<Db, Values, Row>(build))
}

/**
 * The same for a query that runs so often that its promises matter.
 *
 * @returns a function that returns the rows, without a promise where the database answers at once: SQLite outside of a transaction
 */
export function prepareLookup<Values extends object, Row>(
  build: (db: Db, values: Values) => Query<Row>,
): (db: Db, values: Values) => Row[] | Promise<Row[]> {
  return prepare<Db, Values, Row>(build, { isDirect: true })
}

/**
 * The same for a query that locks the rows which it finds.
 *
 * @param lock of `Tx`
 * @param build returns the query without the lock
 */
export function prepareLock<Values extends object, TB extends keyof Schema, Row>(
  lock: 'forUpdate' | 'forShare' | 'skipLocked',
  build: (db: Db, values: Values) => SelectQueryBuilder<Schema, TB, Row>,
): (tx: Tx, values: Values) => Promise<Row[]> {
  return asynchronously(prepare<Tx, Values, Row>((db, values, tx) => tx[lock](build(db, values)) as Query<Row>))
}

/** The same for a statement that changes rows and returns them. */
export function prepareChange<Values extends object, Row>(
  build: (tx: Pick<Kysely<Schema>, 'updateTable'>, values: Values) => Query<Row>,
): (tx: Tx, values: Values) => Promise<Row[]> {
  return asynchronously(prepare<Tx, Values, Row>(build))
}

/** Returns errors as rejections. */
function asynchronously<Handle, Values, Row>(
  run: (handle: Handle, values: Values) => Row[] | Promise<Row[]>,
): (handle: Handle, values: Values) => Promise<Row[]> {
  return (handle, values) => {
    try {
      return run(handle, values) as Promise<Row[]>
    } catch (error) {
      return Promise.reject(error)
    }
  }
}

/** Does what Kysely does for a query, without its plugins: we have none. */
async function runQuery<Row>(executor: QueryExecutor, query: CompiledQuery): Promise<Row[]> {
  const { rows } = await executor.provideConnection((connection) => connection.executeQuery<Row>(query))
  return rows
}

/**
 * @param build also gets the handle of the first call, for what its database does in another way
 * @param options.isDirect whether to return rows without a promise if the database can
 */
function prepare<Handle extends Db, Values extends object, Row>(
  build: (db: Kysely<Schema>, values: Values, handle: Handle) => Query<Row>,
  { isDirect } = { isDirect: false },
): (handle: Handle, values: Values) => Row[] | Promise<Row[]> {
  /** By adapter, because tests use two databases in one process. */
  const shapesByDatabase = new WeakMap<object, LruCache<CompiledQuery>>()

  return (handle, values) => {
    const kysely = handle as unknown as Kysely<Schema> // `Db` hides what writes, and the executor
    const given: unknown[] = []
    const shape = readValues(values, given)
    if (shape.includes(EXPRESSION)) return build(kysely, values, handle).execute()
    const executor = kysely.getExecutor()
    let shapes = shapesByDatabase.get(executor.adapter)
    if (!shapes) {
      shapes = new LruCache<CompiledQuery>(SHAPES_MAX)
      shapesByDatabase.set(executor.adapter, shapes)
    }
    const compiled = shapes.getOrAdd(shape, () => compile(executor, values, handle))
    const parameters = compiled.parameters.map((each) => (each instanceof Slot ? given[each.index] : each))
    const query = { ...compiled, parameters }
    return isDirect && executor instanceof DirectExecutor ? executor.rowsOf<Row>(query) : runQuery(executor, query)
  }

  function compile(executor: QueryExecutor, values: Values, handle: Handle): CompiledQuery {
    let index = 0
    const slots = replaceValues(values, () => new Slot(index++)) as Values
    return executor.compileQuery(build(builder, slots, handle).toOperationNode(), createQueryId())
  }
}

/** Appends all texts and numbers to `given`. @returns everything else, as a text; "" for a text or a number */
function readValues(value: unknown, given: unknown[]): string {
  if (value === undefined || typeof value === 'boolean') return String(value)
  if (Array.isArray(value)) return readList(value, given)
  if (isGroup(value)) {
    if (isExpression(value)) return EXPRESSION
    let shape = '{'
    for (const key in value) shape += `${key}:${readValues(value[key as never], given)},`
    return `${shape}}`
  }
  given.push(value)
  return ''
}

/** Texts and numbers are counted: most lists consist of them, and a page of 50 has three of them with the ids of its rows. */
function readList(list: readonly unknown[], given: unknown[]): string {
  let shape = '['
  let count = 0
  for (const item of list) {
    const other = readValues(item, given)
    if (other === '') {
      count += 1
      continue
    }
    shape += `${count}${other},`
    count = 0
  }
  return `${shape}${count}]`
}

/** Returns a copy, with replacements for the values that `readValues` appends, in the same order. */
function replaceValues(value: unknown, replacement: () => Slot): unknown {
  if (value === undefined || typeof value === 'boolean') return value
  if (Array.isArray(value)) return value.map((item) => replaceValues(item, replacement))
  if (!isGroup(value)) return replacement()
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, replaceValues(each, replacement)]))
}

/** Whether it is a list or an object with values. */
function isGroup(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array)
}
