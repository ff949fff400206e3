/** Groups the rows of a statement that reads them for several objects. */

/**
 * Compares each key with the last one only: the rows of a page have new texts, and to look each up in a map takes longer.
 *
 * @param rows in the order of their keys
 */
export function groupSorted<Row, Value>(
  rows: readonly Row[],
  keyOf: (row: Row) => string,
  shownOf: (row: Row) => Value,
): Map<string, Value[]> {
  const groups = new Map<string, Value[]>()
  let last: { readonly key: string; readonly group: Value[] } | undefined
  for (const row of rows) {
    const key = keyOf(row)
    if (last?.key !== key) {
      last = { key, group: [] }
      groups.set(key, last.group)
    }
    last.group.push(shownOf(row))
  }
  return groups
}
