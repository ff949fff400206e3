/** Dumps a PostgreSQL schema as text, from the catalog: the same on every server, without pg_dump. */
import { administrate } from '../../support/test-database.ts'

export async function dumpPostgresSchema(url: string): Promise<string> {
  const columns = await administrate(
    url,
    `select relname as table_name, attname as name, format_type(atttypid, atttypmod) as type,
       case when collname <> 'default' then format(' collate %I', collname) else '' end as collation,
       attnotnull as is_not_null, attidentity as identity
     from pg_attribute join pg_class on pg_class.oid = attrelid left join pg_collation on pg_collation.oid = attcollation
     where relnamespace = 'public'::regnamespace and relkind = 'r' and attnum > 0 and not attisdropped
     order by relname collate "C", attnum`,
  )
  const constraints = await administrate(
    url,
    // PostgreSQL 18 lists "not null" as constraints too; the columns already show them.
    `select conrelid::regclass::text as table_name, pg_get_constraintdef(oid) as definition
     from pg_constraint where connamespace = 'public'::regnamespace and contype <> 'n' order by 1, contype desc, 2`,
  )
  const indexes = await administrate(
    url,
    `select tablename as table_name, indexdef as definition from pg_indexes
     where schemaname = 'public' and not exists (select 1 from pg_constraint where conindid = format('%I', indexname)::regclass)
     order by tablename collate "C", indexname collate "C"`,
  )
  const tables = new Set(columns.rows.map((row) => row.table_name as string))
  return [...tables]
    .map((table) => {
      const of = (rows: { table_name: string }[]) => rows.filter((row) => row.table_name === table)
      const lines = [
        ...of(columns.rows).map(columnLine),
        ...of(constraints.rows).map((row) => (row as unknown as Definition).definition),
      ]
      const definitions = of(indexes.rows).map((row) => `${(row as unknown as Definition).definition};\n`)
      return `create table ${table} (\n  ${lines.join(',\n  ')}\n);\n${definitions.join('')}`
    })
    .join('\n')
}

interface Definition {
  readonly definition: string
}

// biome-ignore lint/suspicious/noExplicitAny: a row of the catalog
function columnLine({ name, type, collation, is_not_null, identity }: any): string {
  const generated = identity === 'a' ? ' generated always as identity' : ''
  return `${name} ${type}${collation}${is_not_null ? ' not null' : ''}${generated}`
}
