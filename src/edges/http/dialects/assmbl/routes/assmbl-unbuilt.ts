/**
 * Parts of Assmbl that Martlet does not have: the key directory, the table of peers, OpenPGP and paid requests. They answer
 * 403 `not_implemented`; "not found" would look as if an agent or a key did not exist.
 */
import { MailError } from '../../../../../errors.ts'
import type { Credentials } from '../../../../../mail/access/keys/credentials.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { addRateHeaders } from '../../../server/rate-headers.ts'
import { authenticateHeader } from '../../../server/requests/http-credentials.ts'
import { publicRoute } from '../../../server/route-access.ts'

/** By the first segment of their paths. */
const SUBJECTS: Readonly<Record<string, string>> = {
  directory: 'Directories of public keys',
  peers: 'Tables of trusted peers',
  billing: 'Prices, balances and usage records',
  marketplace: 'Paid requests',
  public: 'Public keys and prices of agents', // needs no key
}

/** Each subject has one route for all its paths and methods, because each route delays the start. */
export function unbuiltRoutes(app: HttpApp, credentials: Pick<Credentials, 'authenticate'>): void {
  for (const [segment, subject] of Object.entries(SUBJECTS))
    app.route({
      method: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
      url: `/${segment}/*`,
      config: { ...publicRoute, isUnbuilt: true },
      // Before the body is read.
      onRequest: async (request, reply) => {
        if (segment !== 'public') {
          const { apiKeyId, requestRate } = await authenticateHeader(credentials, request)
          request.apiKeyId = apiKeyId
          if (requestRate) addRateHeaders(reply, requestRate)
        }
        throw new MailError('not_implemented', { subject, operation: `${request.method} /${segment}` })
      },
      handler: () => undefined,
    })
}
