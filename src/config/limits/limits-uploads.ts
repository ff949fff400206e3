/** Limits of files that clients upload before they send them. Part of ../limits.ts. */
import { DAY, GIB, KIB, type Limit, MIB, MINUTE } from './limit.ts'

export const uploadsLimits = {
  fileBytesMax: { default: 25 * MIB, unit: 'bytes', description: 'Size of one uploaded file.' },
  urlMs: {
    default: 15 * MINUTE,
    unit: 'milliseconds',
    description: 'Time for which a file can be uploaded to its URL.',
  },
  keepMs: {
    default: DAY,
    unit: 'milliseconds',
    description: 'Time for which an uploaded file can be sent. Messages and drafts with it have their own copy.',
  },
  perOrganizationMax: {
    default: 1_000,
    unit: 'count',
    description: 'Uploads of one organization that have not expired; those of one pod are at most half of them.',
  },
  perOrganizationBytesMax: {
    default: GIB,
    unit: 'bytes',
    description: 'Their requested size in total; that of one pod is at most half of it.',
  },
  filenameCharsMax: { default: 255, unit: 'count', description: 'Length of the name of an uploaded file.' },
  contentTypeCharsMax: { default: 255, unit: 'count', description: 'Length of its media type.' },
  formBytesMax: {
    default: 64 * KIB,
    unit: 'bytes',
    description: 'What a form may contain besides the uploaded file: its fields and boundaries.',
  },
  formPartsMax: { default: 50, unit: 'count', description: 'Fields of such a form, with the file.' },
} as const satisfies Record<string, Limit>
