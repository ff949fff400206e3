/** Makes text from strangers safe for a terminal: control characters could move the cursor. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ')
}
