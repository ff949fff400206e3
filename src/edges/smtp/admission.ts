/**
 * How many connections may be open, in all and from one address. Counts sockets, from accept to close, so that one which
 * has said QUIT and lingers is still counted.
 */

export interface Admission {
  /** @returns whether the connection may stay; if so, `leave` must follow */
  enter(address: string): boolean
  leave(address: string): void
}

export function createAdmission(connectionsMax: number, perAddressMax: number): Admission {
  const byAddress = new Map<string, number>()
  let open = 0
  return {
    enter(address) {
      const ofAddress = byAddress.get(address) ?? 0
      if (open >= connectionsMax || ofAddress >= perAddressMax) return false
      open += 1
      byAddress.set(address, ofAddress + 1)
      return true
    },
    leave(address) {
      open -= 1
      const left = (byAddress.get(address) ?? 1) - 1
      if (left > 0) byAddress.set(address, left)
      else byAddress.delete(address)
    },
  }
}
