/**
 * The reference for the `reads` benchmark: Fastify alone, which answers every request to /NUMBER with the bytes of the
 * file of that position in the arguments. The benchmark starts it as a separate process.
 */
import { readFileSync } from 'node:fs'
import { fastify } from 'fastify'

const bodies = process.argv.slice(2).map((file) => readFileSync(file, 'utf8'))
const app = fastify()
app.get<{ Params: { number: string } }>('/:number', async ({ params }, reply) => {
  reply.header('content-type', 'application/json; charset=utf-8')
  return bodies[Number(params.number)]
})
console.log(JSON.stringify({ url: await app.listen({ host: '127.0.0.1', port: 0 }) }))
