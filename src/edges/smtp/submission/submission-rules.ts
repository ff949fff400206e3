/**
 * The rules of submission (RFC 6409): a mail program logs in over TLS (RFC 4954, RFC 8314), and sends as the inbox of its
 * login. One object per connection. mail/access says which logins are right, mail/sending what may be sent.
 */
import type { Config } from '../../../config/settings.ts'
import type { Log } from '../../../log.ts'
import type { KeyActor } from '../../../mail/access/actor.ts'
import type { Login, Logins } from '../../../mail/access/keys/logins.ts'
import type { Feed } from '../../../mail/events/feed/feed.ts'
import type { RawSender, RawSending } from '../../../mail/sending/raw/raw-sending.ts'
import { type Reply, replies, replyForError } from '../protocol/replies.ts'
import type { Peer, Step } from '../protocol/smtp-connection.ts'
import type { SessionRules, SessionState } from '../protocol/smtp-session.ts'
import { beginExchange, type SaslExchange, type SaslStep } from './sasl-exchange.ts'

export interface SubmissionRulesNeeds {
  readonly config: Pick<Config, 'limits'>
  readonly log: Log
  readonly logins: Logins
  readonly rawSending: RawSending
  readonly feed: Pick<Feed, 'untilRevoked'>
}

export function createSubmissionRules(needs: SubmissionRulesNeeds, peer: Peer): SessionRules {
  const { config, log, logins, rawSending, feed } = needs
  let login: Login | undefined
  let exchange: SaslExchange | undefined
  /** Set by the last accepted MAIL. */
  let sender: RawSender | undefined

  return {
    recipientsMax: config.limits.sending.recipientsMax,
    allowsAuthParameter: true,
    extensions: () => (peer.tls() === undefined ? [] : ['AUTH PLAIN LOGIN']),

    restart() {
      login = undefined
      exchange = undefined
    },

    handle({ verb, argument }, state) {
      return verb === 'AUTH' ? authenticate(argument, state) : undefined
    },

    handleLine: (line) => exchange && advance(exchange(line)),

    async checkSender(address): Promise<Reply | undefined> {
      if (!login) return peer.tls() === undefined ? replies.tlsFirst : replies.loginFirst
      sender = await rawSending.openSender(login, address)
      return undefined
    },

    checkRecipient: (address) => rawSending.checkRecipient(sender!, address),

    async receive({ recipients, isSmtpUtf8 }, _hello, raw) {
      const { messageId } = await rawSending.send(sender!, { recipients: [...recipients], isSmtpUtf8, raw })
      return replies.queued(messageId)
    },
  }

  async function authenticate(argument: string, { hasGreeted, isInTransaction }: SessionState): Promise<Step> {
    if (!hasGreeted) return { reply: replies.helloFirst }
    if (peer.tls() === undefined) return { reply: replies.tlsBeforeLogin }
    if (login) return { reply: replies.loggedInAlready }
    if (isInTransaction) return { reply: replies.loginInTransaction } // RFC 4954 §4
    return advance(beginExchange(argument))
  }

  async function advance(step: SaslStep): Promise<Step> {
    exchange = undefined
    if ('refusal' in step) return { reply: step.refusal }
    if ('challenge' in step) {
      exchange = step.next
      return { reply: step.challenge }
    }
    const { remoteAddress, ended } = peer
    try {
      login = await logins.logIn({ ...step, remoteAddress, permission: 'message_send' }, ended)
    } catch (error) {
      const reply = replyForError(error)
      if (reply.code < 500) log.error({ err: error, session: peer.connectionId, remoteAddress }, 'SMTP login failed')
      return { reply }
    }
    log.debug({ session: peer.connectionId, remoteAddress, apiKeyId: login.actor.apiKeyId }, 'SMTP login')
    void endWhenRevoked(login.actor)
    return { reply: replies.loggedIn }
  }

  /** A message that is under way when the key is revoked is refused in its transaction. */
  async function endWhenRevoked(actor: KeyActor): Promise<void> {
    try {
      if (await feed.untilRevoked(actor, peer.ended)) peer.end(replies.revoked)
    } catch (error) {
      log.warn({ err: error, session: peer.connectionId }, 'cannot watch the key of an SMTP session')
    }
  }
}
