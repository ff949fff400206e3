/**
 * Header fields by which agents describe a message to the program of its recipient. Assmbl defined them; any sender may
 * use them.
 */

/** Equal in messages that a sender sends again: 1 to 256 visible ASCII characters. */
export const IDEMPOTENCY_KEY = 'X-AgentMail-Idempotency-Key'
/** Joins messages that belong to one task of the sender. */
export const CORRELATION_ID = 'X-AgentMail-Correlation-Id'

export const MESSAGE_KEY = /^[\x21-\x7e]{1,256}$/

/** @param fields in order; names are compared without case. @returns the first value without white space around it */
export function fieldOf(fields: readonly (readonly [name: string, value: string])[], name: string): string | undefined {
  const lower = name.toLowerCase()
  return fields.find(([each]) => each.toLowerCase() === lower)?.[1].trim()
}
