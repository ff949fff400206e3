// npm run bench -- NAME: runs bench/NAME.ts, compiled to build/ beforehand.
import { existsSync, readdirSync } from 'node:fs'

const [name = ''] = process.argv.slice(2)
const file = new URL(`../build/bench/${name}.js`, import.meta.url)
if (!/^[a-z-]+$/.test(name) || !existsSync(file)) {
  const names = readdirSync(new URL('../bench/', import.meta.url)).map((each) => each.replace(/\.ts$/, ''))
  console.error(`Usage: npm run bench -- NAME, one of: ${names.join(' ')}`)
  process.exit(2)
}
await import(file.href)
