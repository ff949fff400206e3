/** Rows of sign-ups and of rates. Rows only; mail/accounts and mail/access decide what they mean. */

/** An organization that an agent has created by signing up. */
export interface SignUpRow {
  organization_id: string
  /** Normalised address of the human who owns the agent; unique. null: none is known yet. */
  human_email: string | null
  /** How often another human has replaced the first one. */
  human_changes: number
  /** SHA-256 (hex) of the one-time code with the id of the organization; null: none was mailed, or it was entered. */
  code_hash: string | null
  code_expires_at: number | null
  /** Wrong codes that were entered since this one was mailed. */
  code_tries: number
  /** The submission that mails the code. */
  code_submission_id: string | null
  /** When the code was entered; null: the organization is unverified. */
  verified_at: number | null
  created_at: number
  updated_at: number
}

/** How often something has happened in a period of time. */
export interface RateCountRow {
  /** What is counted, and for whom. */
  key: string
  /** Start of the period, epoch ms. */
  period_start: number
  count: number
  /** End of the period: the row means nothing afterwards. */
  expires_at: number
}
