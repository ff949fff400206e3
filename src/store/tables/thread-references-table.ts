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

/** Returns the threads of known Message-IDs. */
export const selectByReferences = selectRows<NameInInbox, ReferencedThread>(
  { inbox_id: 'text', hash: 'text' },
  `select ${withSubjectStart.join(', ')}, case when ${isLong} then 1 else 0 end as is_subject_cut,
    thread_references.message_id_hash as hash, thread_references.is_own from thread_references
    join threads on threads.id = thread_references.thread_id
    where thread_references.inbox_id = :inbox_id and thread_references.message_id_hash = :hash`,
)

/** Returns the given Message-IDs that a message of a thread has. */
export const selectOwnReferences = selectRows<NameInInbox, NameInInbox>(
  { inbox_id: 'text', hash: 'text' },
  `select inbox_id, message_id_hash as hash from thread_references
    where thread_references.inbox_id = :inbox_id and thread_references.message_id_hash = :hash
      and thread_references.is_own = 1`,
)

/** Maps Message-IDs to a thread, or moves them there: the caller has read them under the lock of the inbox. */
export const setReferences = insertRows(
  'thread_references',
  { inbox_id: 'text', message_id_hash: 'text', thread_id: 'text', is_own: 'integer' },
  { columns: ['inbox_id', 'message_id_hash'], set: ['thread_id', 'is_own'] },
)
