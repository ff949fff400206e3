/** Rules for an upload: what may be requested, and whether the bytes that arrive are what was requested. Pure. */
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import type { UploadRow } from '../../../store/schema/upload-rows.ts'
import type { NewUpload, UploadedFile } from './upload.ts'

/** RFC 9110 §8.3.1, without parameters. */
const MEDIA_TYPE = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+$/

/** @throws validation_error */
export function checkNewUpload(upload: NewUpload, limits: Limits): NewUpload {
  const { filenameCharsMax, contentTypeCharsMax, fileBytesMax } = limits.uploads
  const filename = upload.filename.toWellFormed()
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it must reject control characters
  if (filename === '' || filename.length > filenameCharsMax || /[\x00-\x1f\x7f]/.test(filename)) {
    throw invalid(`filename must have 1 to ${filenameCharsMax} characters and no control characters`, 'filename')
  }
  const contentType = mediaType(upload.contentType)
  if (contentType.length > contentTypeCharsMax || !MEDIA_TYPE.test(contentType)) {
    throw invalid('The media type must be like application/pdf', 'content_type')
  }
  if (!Number.isSafeInteger(upload.sizeBytes) || upload.sizeBytes < 0 || upload.sizeBytes > fileBytesMax) {
    throw invalid(`The size of a file must be 0 to ${fileBytesMax} bytes`, 'size')
  }
  return { ...upload, filename, contentType }
}

/** @throws validation_error; body_too_large for more bytes than requested */
export function checkUploadedFile(row: UploadRow, { contentType, bytes }: UploadedFile, limits: Limits): void {
  const limitBytes = Math.min(row.size_bytes_max, limits.uploads.fileBytesMax)
  if (bytes.length > limitBytes) throw new MailError('body_too_large', { limitBytes })
  if (row.is_exact_size === 1 && bytes.length !== row.size_bytes_max) {
    throw invalid(`The file has ${bytes.length} bytes, and ${row.size_bytes_max} were requested`, 'size')
  }
  if (contentType === undefined || mediaType(contentType) !== row.content_type) {
    throw invalid(`The Content-Type must be ${row.content_type}, as requested`, 'content_type')
  }
}

/** Media types are case-insensitive; a parameter such as charset is none of its parts. */
function mediaType(text: string): string {
  return text.split(';', 1)[0]!.trim().toLowerCase()
}

function invalid(detail: string, field: string): MailError {
  return new MailError('validation_error', { detail, path: [field] })
}
