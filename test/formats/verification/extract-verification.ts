/** Extracts codes and links with the default limits of the server. */

import { limits } from '../../../src/config/limits.ts'
import {
  extractVerification as extract,
  type VerificationInput,
} from '../../../src/formats/verification/verification.ts'

export function extractVerification(content: VerificationInput) {
  return extract(content, {
    charsMax: limits.parsing.verificationCharsMax.default,
    findingsMax: limits.parsing.verificationFindingsMax.default,
    contextCharsMax: limits.parsing.verificationContextCharsMax.default,
  })
}
