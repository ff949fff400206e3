/** Limits of labels, metadata, names, waits and downloads. Part of ../limits.ts. */
import { HOUR, type Limit, MIB, MINUTE } from './limit.ts'

export const messagesLimits = {
  fromDomainsCachedMax: {
    default: 10_000,
    unit: 'count',
    description: 'Domains of senders for which it is remembered whether they belong to this server.',
  },
  fromDomainsCachedMs: {
    default: MINUTE,
    unit: 'milliseconds',
    description: 'Time for which it is remembered whether such a domain belongs to this server.',
  },
  waitMs: {
    default: MINUTE,
    unit: 'milliseconds',
    description: 'Time for which a request waits for a message if the client gives no time.',
  },
  waitMsMax: {
    default: 10 * MINUTE,
    unit: 'milliseconds',
    description: 'Longest time for which a request may wait for a message.',
  },
  downloadUrlMs: { default: HOUR, unit: 'milliseconds', description: 'Time for which a download link is valid.' },
  batchGetMax: { default: 500, unit: 'count', description: 'Messages that one call reads by their ids.' },
  batchUpdateMax: {
    default: 50,
    unit: 'count',
    description: 'Messages whose labels one call changes, in one transaction.',
  },
  textUrlBytesMax: {
    default: 10 * MIB,
    unit: 'bytes',
    description: 'Largest attachment whose text can be downloaded (`text_url`).',
  },
  textUrlCharsMax: { default: 250_000, unit: 'count', description: 'Characters of such a text. The rest is left out.' },
  textUrlsWaitingMax: {
    default: 20,
    unit: 'count',
    description:
      'Requests that wait for the text of an attachment; one text is made at a time. A further one gets 503, or one of the organization that has the most.',
  },
  textUrlsPerOrganizationMax: {
    default: 10,
    unit: 'count',
    description: 'The same for the attachments of one organization, whose pods take turns.',
  },
  textUrlWaitMs: { default: MINUTE, unit: 'milliseconds', description: 'Time for which such a request may wait.' },
  labelsPerMessageMax: { default: 64, unit: 'count', description: 'Labels on one message.' },
  ownLabelsMax: {
    default: 20,
    unit: 'count',
    description: "A user's own labels on one message, for clients of Assmbl.",
  },
  ownLabelCharsMax: { default: 64, unit: 'count', description: 'Length of a label, for clients of Assmbl.' },
  sourceInJsonBytesMax: {
    default: 16 * MIB,
    unit: 'bytes',
    description:
      'Largest message whose bytes a response contains as text (`raw_mime`). There is a link to each message.',
  },
  labelCharsMax: { default: 256, unit: 'count', description: 'Length of a label.' },
  metadataKeysMax: { default: 256, unit: 'count', description: "Keys in an inbox's metadata." },
  metadataCharsMax: { default: 256, unit: 'count', description: 'Length of a metadata key or text value.' },
  displayNameCharsMax: {
    default: 256,
    unit: 'count',
    description: 'Length of a display name, and of the name of a key or pod.',
  },
  shortFilingRowsMax: {
    default: 200,
    unit: 'count',
    description:
      'Estimated rows that a message writes in all its inboxes, or a change of labels in a thread. A change with more is committed apart from other writes, which wait for one such change at a time; these take turns by peer, or by organization.',
  },
  transactionRowsMax: {
    default: 1_000,
    unit: 'count',
    description:
      'Estimated rows that one transaction writes for a message in several inboxes, or for the labels of a thread. More are divided over several transactions, and other writes run in between.',
  },
  participantsMax: {
    default: 200,
    unit: 'count',
    description:
      'Senders and recipients of one message that its thread lists and by which it is found: the senders, then the recipients in the order of their addresses. The message itself has all of them.',
  },
  threadLabelMessagesMax: {
    default: 100,
    unit: 'count',
    description:
      'From this number of messages on, the labels of a thread are changed message by message, not in one call.',
  },
} as const satisfies Record<string, Limit>
