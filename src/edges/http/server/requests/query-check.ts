/** Checks the query of each request, for dialects whose parameters have one form only. */
import type { HttpApp } from '../http-dialect.ts'
import { refuseNul } from './query-nul.ts'
import { PARAMETERS, reportUnknown, unknownQueryParameters } from './unknown-members.ts'

/** Refuses a NUL, and reports parameters that the route does not know, for each request to these routes. */
export function checkQueries(app: HttpApp): void {
  app.addHook('preValidation', (request, reply, next) => {
    const query = request.query as Readonly<Record<string, string | readonly string[]>>
    for (const [name, value] of Object.entries(query)) refuseNul(name, value)
    const unknown = unknownQueryParameters(query, request.routeOptions.schema?.querystring)
    reportUnknown(request, reply, PARAMETERS, unknown)
    next()
  })
}
