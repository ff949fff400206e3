/**
 * Compares the tests of two versions, to show that a change of the suite has lost none:
 *
 *   npx vitest list --json=/tmp/before.json     # in a checkout of the earlier version
 *   npx vitest list --json=/tmp/after.json
 *   node scripts/compare-titles.js /tmp/before.json /tmp/after.json
 *
 * A test is a title in a project (a database); it may have moved to another file. Exits with 1 if one is missing.
 */
import { readFileSync } from 'node:fs'

const [before, after] = process.argv.slice(2).map(readTests)
if (!before || !after) {
  console.error('Usage: node scripts/compare-titles.js BEFORE.json AFTER.json')
  process.exit(2)
}
const missing = [...before].filter((test) => !after.has(test)).sort()
console.log(`${before.size} distinct tests before, ${after.size} after, ${missing.length} missing`)
for (const test of missing) console.log(`  ${test}`)
process.exit(missing.length > 0 ? 1 : 0)

/** @returns {Set<string>} */
function readTests(file) {
  return new Set(JSON.parse(readFileSync(file, 'utf8')).map(({ projectName, name }) => `${projectName}: ${name}`))
}
