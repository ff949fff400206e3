/**
 * npm start: builds what is stale, then is `martlet serve` itself. One process, so that a start does not pay for two, and
 * signals reach the server.
 */
import { build } from './build.js'

build()
process.argv.splice(2, Infinity, 'serve')
await import('../dist/cli.js')
