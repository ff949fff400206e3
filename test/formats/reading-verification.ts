/** Extracts codes and links within the limits of the server. */

import { limits } from '../../src/config/limits.ts'
import { extractVerification as extract, type MailContent } from '../../src/formats/verification/verification.ts'

export function extractVerification(content: MailContent) {
  return extract(content, {
    charsMax: limits.verificationCharsMax.default,
    findingsMax: limits.verificationFindingsMax.default,
    contextCharsMax: limits.verificationContextCharsMax.default,
  })
}
