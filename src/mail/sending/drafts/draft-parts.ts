/**
 * The parts of a draft: its text, its HTML and its attachments, each with bytes of its own. A draft is shown, changed and
 * sent from its parts, so it keeps what the client wrote, character by character. The composed bytes of a revision would
 * not: composing normalises line ends, and a parser may take an inline attachment for text.
 */
import type { Limits } from '../../../config/limits.ts'
import { singleLine } from '../../../formats/address/address.ts'
import type { Tx } from '../../../store/handles.ts'
import type { DraftPartKind, DraftPartRow } from '../../../store/schema/draft-rows.ts'
import * as drafts from '../../../store/tables/drafts-table.ts'
import { type Contents, loadContent } from '../../messages/content/contents.ts'
import type { PrepareBytes, PreparedBytes } from '../../messages/content/prepared-bytes.ts'
import type { OutgoingAttachment } from '../compose/outgoing.ts'

/** The content of a draft. */
export interface DraftBodies {
  readonly text?: string
  readonly html?: string
  readonly attachments: readonly OutgoingAttachment[]
}

/** Parts of a change that a transaction can store. Their owner must insert or discard them. */
export interface PreparedParts {
  /** @param position of the first; the attachments of a draft are shown in this order */
  insert(tx: Tx, draftId: string, position: number): Promise<void>
  /** Never rejects. @param error what the transaction threw */
  discard(error?: unknown): Promise<void>
}

export interface DraftParts {
  /** @throws disk_full, unavailable; then nothing is kept */
  prepare(added: Partial<DraftBodies>): Promise<PreparedParts>
  /** Loads the parts, whose size the caller has reserved. @throws not_found when the draft was changed or deleted; DamagedContent */
  read(parts: readonly DraftPartRow[]): Promise<DraftBodies>
}

interface DraftPartsNeeds {
  /** `createReadableContents`: a draft whose file is lost must not be taken for a deleted one. */
  readonly contents: Contents
  readonly prepareBytes: PrepareBytes
  readonly limits: Limits
}

export function createDraftParts({ contents, prepareBytes, limits }: DraftPartsNeeds): DraftParts {
  return {
    async prepare({ text, html, attachments = [] }) {
      const prepared: { part: PartFields; bytes: PreparedBytes }[] = []
      const discard = async (error?: unknown) => {
        for (const { bytes } of prepared) await bytes.discard(error)
      }
      /** A transaction is short: all the parts in it together have no more bytes than one. */
      let inlineBytes = limits.store.inlineBytesMax
      try {
        if (text !== undefined) await add({ ...PLAIN, kind: 'text' }, Buffer.from(text))
        if (html !== undefined) await add({ ...PLAIN, kind: 'html' }, Buffer.from(html))
        for (const { bytes, ...fields } of attachments) await add(attachmentFields(fields), bytes)
      } catch (error) {
        await discard()
        throw error
      }
      return {
        async insert(tx, draftId, position) {
          const rows: DraftPartRow[] = []
          for (const [index, { part, bytes }] of prepared.entries()) {
            const ids = { id: tx.newId(), draft_id: draftId, content_id: await bytes.insert(tx) }
            rows.push({ ...ids, ...part, position: position + index, size_bytes: bytes.sizeBytes })
          }
          await drafts.insertParts(tx, rows)
        },
        discard,
      }

      async function add(part: PartFields, bytes: Buffer): Promise<void> {
        const stored = await prepareBytes(bytes, inlineBytes)
        if (bytes.length <= inlineBytes) inlineBytes -= bytes.length
        prepared.push({ part, bytes: stored })
      }
    },

    async read(parts) {
      const text = await textOf(parts, 'text')
      const html = await textOf(parts, 'html')
      const attachments: OutgoingAttachment[] = []
      for (const part of parts) {
        if (part.kind !== 'attachment') continue
        attachments.push({
          ...(part.filename !== null && { filename: part.filename }),
          ...(part.content_type !== null && { contentType: part.content_type }),
          ...(part.disposition !== null && { disposition: part.disposition }),
          ...(part.cid !== null && { contentId: part.cid }),
          bytes: await bytesOf(part),
        })
      }
      return { ...(text !== undefined && { text }), ...(html !== undefined && { html }), attachments }
    },
  }

  async function textOf(parts: readonly DraftPartRow[], kind: DraftPartKind): Promise<string | undefined> {
    const part = parts.find((each) => each.kind === kind)
    return part && (await bytesOf(part)).toString()
  }

  function bytesOf(part: DraftPartRow): Promise<Buffer> {
    return loadContent(contents, part.content_id, { start: 0, end: part.size_bytes })
  }
}

type PartFields = Pick<DraftPartRow, 'kind' | 'filename' | 'content_type' | 'disposition' | 'cid'>

const PLAIN = { filename: null, content_type: null, disposition: null, cid: null }

function attachmentFields(attachment: Omit<OutgoingAttachment, 'bytes'>): PartFields {
  return {
    kind: 'attachment',
    filename: columnOrNull(attachment.filename),
    content_type: columnOrNull(attachment.contentType),
    disposition: attachment.disposition ?? null,
    cid: columnOrNull(attachment.contentId),
  }
}

function columnOrNull(text: string | undefined): string | null {
  return text === undefined ? null : columnText(text)
}

/** Text from a client for a column: PostgreSQL accepts no NUL, and half a surrogate pair is no character. */
export function columnText(text: string): string {
  return singleLine(text).toWellFormed()
}

/** Returns the bytes that the parts have together. */
export function sizeOfParts(parts: readonly DraftPartRow[]): number {
  return parts.reduce((sum, part) => sum + part.size_bytes, 0)
}
