/** Errors that the server or its environment causes. Part of ../errors.ts. */
import { define } from './error-definition.ts'

export const serverErrors = {
  unavailable: define<{ detail?: string }>({
    kind: 'temporary',
    message: () => 'The service cannot store anything at the moment; nothing was changed',
    fix: 'Retry in a few seconds.',
  }),
  parse_queue_full: define({
    kind: 'temporary',
    message: () => 'Too many messages are waiting to be parsed; nothing was changed',
    fix: 'Retry in a minute.',
  }),
  read_queue_full: define({
    kind: 'temporary',
    message: () => 'Too many messages are waiting to be read; try again later',
    fix: 'Retry in a minute.',
  }),
  disk_full: define({
    kind: 'temporary',
    message: () => 'The disk is nearly full; nothing was changed',
    fix: 'The operator must free or add disk space.',
  }),
  shutting_down: define({
    kind: 'temporary',
    message: () => 'The server is shutting down; nothing was changed',
    fix: 'Retry in a few seconds.',
  }),
  outcome_unknown: define({
    kind: 'unknown',
    message: () =>
      'The connection to the database broke during a commit, and the server stopped before the outcome was known',
    fix: 'No caller gets this error: the connection is closed without a response.',
  }),
  content_damaged: define({
    kind: 'internal',
    message: () => 'What is stored of this message or file is damaged or lost, so it cannot be read',
    fix: 'The operator must repair it or restore it from a backup; the server log has its id. Calls that do not need its bytes work.',
  }),
  internal_error: define({
    kind: 'internal',
    message: () => 'Internal error; the details are in the server log',
  }),
} as const
