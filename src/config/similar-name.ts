/** Finds the name that was probably meant: for misspelt settings, and members of requests. Pure. */

/** A misspelt name differs by at most this part of its length. */
const DIFFERENCE_MAX = 1 / 4

/** Returns the most similar of the known names; undefined if none is similar. */
export function similarName(name: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map((each) => ({ each, distance: distanceOf(name, each) }))
    .filter(({ each, distance }) => distance <= each.length * DIFFERENCE_MAX)
    .sort((a, b) => a.distance - b.distance)
  return best?.each
}

/** The number of characters to insert, delete, replace, or swap with their neighbour. */
function distanceOf(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)]
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const isSame = a[row - 1] === b[column - 1]
      const isSwapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      current.push(
        Math.min(
          rows[row - 1]![column]! + 1,
          current[column - 1]! + 1,
          rows[row - 1]![column - 1]! + (isSame ? 0 : 1),
          isSwapped ? rows[row - 2]![column - 2]! + 1 : Number.POSITIVE_INFINITY,
        ),
      )
    }
    rows.push(current)
  }
  return rows[a.length]![b.length]!
}
