/** Limits of the IMAP listener: connections, idle times, commands, literals, output. Part of ../limits.ts. */
import { KIB, type Limit, MIB, MINUTE, SECOND } from './limit.ts'

export const imapLimits = {
  connectionsMax: {
    default: 5_000,
    unit: 'count',
    description:
      'Open IMAP connections. A new connection replaces one that has not logged in; if all have, the new one is refused with BYE.',
  },
  connectionsPerNetworkMax: {
    default: 200,
    unit: 'count',
    description: 'Open IMAP connections from one IPv4 address or one IPv6 /64. Further ones are refused with BYE.',
  },
  connectionsPerAccountMax: {
    default: 40,
    unit: 'count',
    description: 'Open IMAP connections that are logged in to one inbox. Further logins are refused with NO [LIMIT].',
  },
  loginMs: {
    default: MINUTE,
    unit: 'milliseconds',
    description: 'Time in which an IMAP connection must log in, TLS handshake included.',
  },
  loginsMax: {
    default: 5,
    unit: 'count',
    description: 'Failed logins on one IMAP connection before it is closed.',
  },
  idleMs: {
    default: 30 * MINUTE,
    unit: 'milliseconds',
    description: 'Idle timeout of an IMAP connection that has logged in, also in IDLE (RFC 9051 §5.4).',
  },
  dataIdleMs: {
    default: 2 * MINUTE,
    unit: 'milliseconds',
    description: 'Idle timeout inside a command of IMAP: a literal, a message of APPEND, the exchange of a login.',
  },
  sweepMs: {
    default: 5 * SECOND,
    unit: 'milliseconds',
    description: 'Interval in which IMAP connections are checked for these timeouts.',
  },
  outputStalledMs: {
    default: 2 * MINUTE,
    unit: 'milliseconds',
    description: 'Time in which an IMAP client must read one piece of output before its connection is closed.',
  },
  outputBytes: {
    default: 64 * KIB,
    unit: 'bytes',
    description:
      'Output of one IMAP connection that is collected before it is written. A client that does not read it pauses its command.',
  },
  markedBytesMax: {
    default: 256 * KIB,
    unit: 'bytes',
    description:
      'Messages that a FETCH which sets \\Seen reads and marks together, before it sends them. A larger one is marked alone, and at most `mailboxes.changeMessages` are marked together.',
  },
  pipelinedBytesMax: {
    default: 64 * KIB,
    unit: 'bytes',
    description:
      'Commands of one IMAP connection that wait in memory while another one runs. Further ones wait in the network.',
  },
  lineBytesMax: {
    default: 64 * KIB,
    unit: 'bytes',
    description: 'Length of one line of an IMAP command. A longer one ends the connection.',
  },
  commandBytesMax: {
    default: 256 * KIB,
    unit: 'bytes',
    description: 'Length of one IMAP command with its literals, without the message of APPEND.',
  },
  earlyCommandBytesMax: {
    default: 16 * KIB,
    unit: 'bytes',
    description: 'Length of one IMAP command with its literals before the login. A longer one ends the connection.',
  },
  earlyLiteralBytesMax: {
    default: 8 * KIB,
    unit: 'bytes',
    description: 'Size of a literal before the login. A larger one ends the IMAP connection.',
  },
  skippedBytesMax: {
    default: 256 * MIB,
    unit: 'bytes',
    description:
      'Size of a message that IMAP reads and throws away, because APPEND refused it and the client sends it all the same (LITERAL+). A larger one ends the connection.',
  },
  badCommandsMax: {
    default: 50,
    unit: 'count',
    description: 'IMAP commands answered with BAD on one connection before it is closed.',
  },
  listMembersMax: {
    default: 200,
    unit: 'count',
    description: 'Members of a list in an IMAP command: items of FETCH, header fields, flags, options.',
  },
  patternsMax: { default: 16, unit: 'count', description: 'Patterns of one LIST command.' },
  nameBytesMax: {
    default: 1_024,
    unit: 'bytes',
    description: 'Length of the name of a mailbox, and of a pattern of LIST, in an IMAP command.',
  },
  setRangesMax: {
    default: 20_000,
    unit: 'count',
    description: 'Ranges and numbers of one set of messages in an IMAP command.',
  },
  searchKeysMax: { default: 1_000, unit: 'count', description: 'Search keys of one IMAP SEARCH.' },
  searchDepthMax: { default: 50, unit: 'count', description: 'Nesting of search keys: parentheses, NOT and OR.' },
} as const satisfies Record<string, Limit>
