/**
 * Statements that read what threads show besides their rows. They return the same as `labelsOf`, `participantsOf` and `contentsOf`
 * (threads-table.ts), and are sent together with the statements that file messages. Rows only.
 */
import { selectRows } from '../row-statements.ts'
import type { MessageRow, ThreadLabelRow, ThreadParticipantRow } from '../schema/message-rows.ts'

export const selectLabels = selectRows<Pick<ThreadLabelRow, 'thread_id'>, Pick<ThreadLabelRow, 'thread_id' | 'label'>>(
  { thread_id: 'text' },
  'select thread_id, label from thread_labels where thread_id = :thread_id order by label',
)

/** A thread, and how many of its rows are wanted. */
interface FirstOfThread {
  readonly thread_id: string
  readonly rows_max: number
}

/** Its limit is no bare parameter, see StableLimitCompiler. */
export const selectParticipants = selectRows<FirstOfThread, ThreadParticipantRow>(
  { thread_id: 'text', rows_max: 'bigint' },
  `select thread_id, kind, address, display, message_count from thread_participants where thread_id = :thread_id
    order by kind desc, address limit (:rows_max + 0)`,
)

export const selectContents = selectRows<FirstOfThread, Pick<MessageRow, 'thread_id' | 'content_id'>>(
  { thread_id: 'text', rows_max: 'bigint' },
  `select thread_id, content_id from messages where thread_id = :thread_id and has_attachments = 1
    order by timestamp desc, id desc limit (:rows_max + 0)`,
)
