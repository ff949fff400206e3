/** Which addresses can be used without SMTPUTF8. */

/** Whether an address, or a part of one, contains only printable ASCII (RFC 6531 §3.5). */
export function isAsciiAddress(address: string): boolean {
  return /^[\x20-\x7e]*$/.test(address)
}
