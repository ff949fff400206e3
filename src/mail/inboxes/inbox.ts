/** An inbox as callers see it, and the requests that create and change one. */
import type { NewAppPassword } from '../access/keys/app-passwords.ts'

export type Metadata = Readonly<Record<string, string | number | boolean>>

/**
 * `paused`: it sends nothing, and mail for it is deferred or dropped (MARTLET_PAUSED_INBOXES). `send_paused`: it sends
 * nothing, and receives.
 */
export type InboxStatus = 'active' | 'paused' | 'send_paused'

export interface Inbox {
  readonly id: string
  readonly organizationId: string
  readonly podId: string
  /** local@domain, lower case. */
  readonly address: string
  readonly displayName?: string
  readonly clientId?: string
  readonly metadata?: Metadata
  readonly status: InboxStatus
  /** What replaces the settings for this inbox; 0: no limit. */
  readonly limits?: InboxLimits
  /** Whether it challenges unverified senders; absent: the setting applies. */
  readonly challengesSenders?: boolean
  readonly createdAt: number
  readonly updatedAt: number
}

/** A new inbox, or the one that has its client_id. */
export interface CreatedInbox extends Inbox {
  /** Only of a new inbox, and only here. */
  readonly appPassword?: NewAppPassword
}

/** null: the setting applies. */
export interface InboxLimits {
  readonly quotaBytes?: number | null | undefined
  readonly quotaMessages?: number | null | undefined
  readonly retentionDays?: number | null | undefined
}

export interface NewInbox {
  /** Local part; defaults to a random one. */
  readonly username?: string | undefined
  /** Adds "-" and six random characters to the local part. */
  readonly hasRandomSuffix?: boolean | undefined
  /** Defaults to the shared domain. */
  readonly domain?: string | undefined
  readonly displayName?: string | undefined
  readonly clientId?: string | undefined
  readonly metadata?: Metadata | undefined
  /** Default: active. */
  readonly status?: InboxStatus | undefined
  readonly limits?: InboxLimits | undefined
  /** Creates an app password of this name with the inbox, if the actor may create keys. */
  readonly appPasswordName?: string | undefined
  readonly challengesSenders?: boolean | null | undefined
}

export interface InboxChange {
  readonly displayName?: string | null | undefined
  readonly status?: InboxStatus | undefined
  /** Those that are given change. */
  readonly limits?: InboxLimits | undefined
  /** null: the setting applies. */
  readonly challengesSenders?: boolean | null | undefined
  /** Excludes status. true: it sends nothing from now on, and receives as before; false: it is active. */
  readonly isSendPaused?: boolean | undefined
  /** Keys are merged; a null value removes its key; null for all removes everything. */
  readonly metadata?: Readonly<Record<string, string | number | boolean | null>> | null | undefined
}
