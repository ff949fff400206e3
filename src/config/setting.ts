/** The type of a setting, and how to define one. Part of settings.ts. */
import type { KnownSettings } from './outbound-settings.ts'

export interface Setting<Value> {
  readonly variable: string
  /** As shown in the documentation. */
  readonly default: string
  readonly description: string
  /** @throws StartupError with a sentence that says what to write */
  readonly read: (value: string | undefined, variable: string, known: KnownSettings) => Value
}

/** A setting whose default is a text that `read` parses like the value of the variable. */
export function fixed<Value>(
  setting: Omit<Setting<Value>, 'read'> & { readonly read: (value: string, variable: string) => Value },
): Setting<Value> {
  return { ...setting, read: (value = setting.default, variable) => setting.read(value, variable) }
}

/** A setting whose default the documentation describes; its `read` gets undefined if the variable is not set. */
export function derived<Value>(setting: Setting<Value>): Setting<Value> {
  return setting
}
