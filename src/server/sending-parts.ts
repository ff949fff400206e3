/** Builds what sends mail and drafts, for the services that clients call and for the worker that sends scheduled drafts. */
import { randomUUID } from 'node:crypto'
import { createSignedTokens } from '../mail/access/signed-tokens.ts'
import { createPrepareBytes } from '../mail/messages/content/prepared-bytes.ts'
import { createComposeMail } from '../mail/sending/compose/compose-mail.ts'
import { createFetchAttachments } from '../mail/sending/compose/fetch-attachments.ts'
import { createFileSent } from '../mail/sending/compose/file-sent.ts'
import { createOpenForwarded } from '../mail/sending/compose/forwarded-attachments.ts'
import { createResolveAttachments } from '../mail/sending/compose/resolve-attachments.ts'
import { createCountSends } from '../mail/sending/compose/send-caps.ts'
import { createSubmit } from '../mail/sending/compose/submit.ts'
import { createAppendDraft } from '../mail/sending/drafts/append-draft.ts'
import { createPrepareRevision } from '../mail/sending/drafts/draft-content.ts'
import { createDraftParts } from '../mail/sending/drafts/draft-parts.ts'
import { createDraftSources } from '../mail/sending/drafts/draft-source.ts'
import { createSendDraft } from '../mail/sending/drafts/send-draft.ts'
import { createIdempotency } from '../mail/sending/idempotency/idempotency.ts'
import { createInboxOfSend } from '../mail/sending/idempotency/repeated-send.ts'
import { createRawSending } from '../mail/sending/raw/raw-sending.ts'
import { createSignRaw } from '../mail/sending/raw/sign-raw.ts'
import { createUploads } from '../mail/sending/uploads/uploads.ts'
import type { Outbound } from './outbound.ts'
import type { ServerContext, SharedParts } from './shared-parts.ts'

interface SendingPartsNeeds extends ServerContext {
  readonly shared: SharedParts
  readonly outbound: Pick<Outbound, 'download'>
}

export type SendingParts = ReturnType<typeof createSendingParts>

export function createSendingParts({ shared, outbound, ...context }: SendingPartsNeeds) {
  const { config, store, random, clock, eventLoop } = context
  const { limits } = config
  const { readableContents, prepareContent, discardBlobs, downloads } = shared
  const composeMail = createComposeMail({ config, random, eventLoop })
  const countSends = createCountSends({ config, node: config.databaseUrl === undefined ? 'only' : randomUUID() })
  const fileSent = createFileSent({ ...context, ...shared, countSends })
  const submit = createSubmit({ ...context, ...shared, composeMail, fileSent })
  const idempotency = createIdempotency({ store, limits })
  const openForwarded = createOpenForwarded({ store, config, contents: readableContents })
  const sources = createDraftSources({ store, openForwarded, limits })
  const prepareBytes = createPrepareBytes({ store, discardBlobs })
  const draftParts = createDraftParts({ contents: readableContents, prepareBytes, limits })
  const tokens = createSignedTokens({ store, random, name: 'uploads' })
  const uploads = createUploads({
    ...{ store, config, prepareBytes, downloads, discardBlobs, tokens, clock },
    contents: readableContents,
  })
  const fetchAttachments = createFetchAttachments({ download: outbound.download, limits })
  const signRaw = createSignRaw({ ...context, ...shared })
  return {
    submit,
    rawSending: createRawSending({ ...context, prepareContent, signRaw, fileSent, idempotency }),
    idempotency,
    inboxOfSend: createInboxOfSend({ store }),
    openForwarded,
    resolveAttachments: createResolveAttachments({ uploads, fetchAttachments }),
    uploads,
    sources,
    draftParts,
    appendDraft: createAppendDraft({ ...context, prepareContent, draftParts, discardBlobs }),
    prepareRevision: createPrepareRevision({ ...context, composeMail, prepareContent }),
    sendDraft: createSendDraft({
      store,
      submit,
      idempotency,
      sources,
      draftParts,
      newOwner: randomUUID,
      clock,
      limits,
    }),
  }
}
