/** Statements for the Message-IDs that belong to threads, and for finding threads by them. Rows only. */
import { SUBJECT_CHARS_MAX } from '../../formats/reply/reply-context.ts'
import { insertRows, selectRows } from '../row-statements.ts'
import type { ThreadReferenceRow, ThreadRow } from '../schema/message-rows.ts'
import type { NameInInbox } from './messages-table.ts'
import { threadColumns } from './threads-table.ts'

/** Whether a subject may have more characters than are compared: one has at most four bytes. */
const isLong = `octet_length(threads.subject) > ${4 * SUBJECT_CHARS_MAX}`
/** The start of a long subject. A batch may look up thousands of threads, and a stranger can give each a subject of 256 KiB. */
const subjectStart = `case when ${isLong} then substr(threads.subject, 1, ${SUBJECT_CHARS_MAX}) else threads.subject end`
const withSubjectStart = Object.keys(threadColumns).map((column) =>
  column === 'subject' ? `${subjectStart} as subject` : `threads.${column}`,
)

export type ReferencedThread = ThreadRow &
  Pick<ThreadReferenceRow, 'is_own'> & {
    /** The Message-ID. */
    readonly hash: string
    /** 1: `subject` is only the start of it, which is all that threads are compared by. */
    readonly is_subject_cut: number
  }

const known = `thread_references where thread_references.inbox_id = :inbox_id and thread_references.message_id_hash = :hash`

/** @param found a select of `thread_id`, `hash` and `is_own` */
function threadsOf(found: string): string {
  return `select ${withSubjectStart.join(', ')}, case when ${isLong} then 1 else 0 end as is_subject_cut, found.hash, found.is_own
    from (${found}) as found join threads on threads.id = found.thread_id`
}

/**
 * Returns the threads of known Message-IDs: at most one per row. A message whose Message-ID has no row is found by the id under which
 * clients see it, which is the same.
 */
export const selectByReferences = selectRows<NameInInbox, ReferencedThread>(
  { inbox_id: 'text', hash: 'text' },
  `${threadsOf(`select thread_id, message_id_hash as hash, is_own from ${known}`)}
  union all
  ${threadsOf(`select thread_id, api_message_id_hash as hash, 1 as is_own from messages
      where messages.inbox_id = :inbox_id and messages.api_message_id_hash = :hash
        and (messages.header_message_id_hash is null or messages.header_message_id_hash = messages.api_message_id_hash)
        and not exists (select 1 from ${known})`)}`,
)

/** Returns those of the given Message-IDs whose row says that a message of a thread has it. */
export const selectOwnReferences = selectRows<NameInInbox, NameInInbox>(
  { inbox_id: 'text', hash: 'text' },
  `select inbox_id, message_id_hash as hash from thread_references
    where thread_references.inbox_id = :inbox_id and thread_references.message_id_hash = :hash
      and thread_references.is_own = 1`,
)

const columns = { inbox_id: 'text', message_id_hash: 'text', thread_id: 'text', is_own: 'integer' } as const
const key = ['inbox_id', 'message_id_hash'] as const

/** Maps Message-IDs to a thread, or moves them there: the caller has read them under the lock of the inbox. */
export const setReferences = insertRows('thread_references', columns, { columns: key, set: ['thread_id', 'is_own'] })

/** Maps Message-IDs to a thread if they have no row. */
export const addReferences = insertRows('thread_references', columns, { columns: key })
