/**
 * npm start: builds what changed, then runs `martlet serve` in this process, so that a start pays for one process and signals
 * reach the server. `npm start -- check` runs another command.
 */
import { buildOrExit } from './build.js'

buildOrExit()
if (process.argv.length === 2) process.argv.push('serve')
await import('../dist/cli.js')
