/**
 * npm start: bundles the server if a source has changed, then runs `martlet serve` in this process, so that a start pays for one process and signals
 * reach the server. `npm start -- check` runs another command.
 */
import { buildOrExit, bundle } from './build.js'

await buildOrExit(bundle)
if (process.argv.length === 2) process.argv.push('serve')
await import('../dist/cli.js')
