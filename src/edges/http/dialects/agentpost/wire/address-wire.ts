/** Addresses: objects on messages and in requests, plain texts in events. */
import { type Static, Type } from 'typebox'
import { type Address, formatAddress } from '../../../../../formats/address/address.ts'

const AddressObject = Type.Object({ email: Type.String(), name: Type.Optional(Type.String()) })

/** `{ email, name? }`. "address" and "Name <address>" are accepted too, and one recipient without a list. */
const Recipient = Type.Union([AddressObject, Type.String()])
export const Recipients = Type.Union([Type.Array(Recipient), AddressObject, Type.String()])

/** As the core accepts them: "address" or "Name <address>". */
export function readRecipients(given: Static<typeof Recipients> | undefined): readonly string[] | undefined {
  if (given === undefined) return undefined
  return (Array.isArray(given) ? given : [given]).map(readRecipient)
}

function readRecipient(given: Static<typeof Recipient>): string {
  if (typeof given === 'string') return given
  const { email, name } = given
  return name === undefined || name.trim() === '' ? email : formatAddress({ name, address: email })
}

export function addressObject({ name, address }: Address) {
  return { email: address, name: name ?? null }
}
