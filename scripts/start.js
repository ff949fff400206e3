/**
 * npm start: builds what changed, then runs `martlet serve` in this process, so that a start pays for one process and signals
 * reach the server.
 */
import { buildOrExit } from './build.js'

buildOrExit()
process.argv.splice(2, 0, 'serve')
await import('../dist/cli.js')
